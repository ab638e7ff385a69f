//! Token buckets, by which AWS limits the rate of calls in each account and region.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::wire::request::Request;
use super::world::World;

/// A bucket: what it counts, how many tokens it holds, and how many it gets back in a second.
pub(super) type Bucket = (&'static str, f64, f64);

/// The tokens in each bucket, by account, region and name, and when they were counted.
#[derive(Debug, Default)]
pub(super) struct Buckets(BTreeMap<(String, String, &'static str), (f64, Instant)>);

impl Buckets {
    fn take(
        &mut self,
        request: &Request,
        (name, burst, rate): Bucket,
        (cost, now): (f64, Instant),
    ) -> bool {
        let key = (request.account.clone(), request.region.clone(), name);
        let bucket = self.0.entry(key).or_insert((burst, now));
        let refilled = now.saturating_duration_since(bucket.1).as_secs_f64() * rate;
        *bucket = ((bucket.0 + refilled).min(burst), now);
        let is_paid = bucket.0 >= cost;
        if is_paid {
            bucket.0 -= cost;
        }
        is_paid
    }
}

/// Takes the tokens that a call costs, and says whether they were there. Without
/// `Options::token_buckets` they always are.
pub(super) fn take(world: &mut World, request: &Request, costs: &[(Bucket, f64)]) -> bool {
    let now = world.now();
    let limited = world.options.token_buckets;
    let mut paid =
        costs.iter().map(|(bucket, cost)| world.buckets.take(request, *bucket, (*cost, now)));
    !limited || paid.all(|is_paid| is_paid)
}
