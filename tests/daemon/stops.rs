//! Stops: many at once, refused, denied, throttled, cut off, and never upon an old look.
