//! How notices are written, by the settings.

use super::sections::Settings;
use crate::domain::notice::style::{Format, Style};

impl Settings {
    /// How notices are written. A FIFO topic takes the text alone: it has no subscribers but queues.
    pub(crate) fn notice_style(&self) -> Style {
        let (notice, topic) = (&self.notice, &self.topic.owners);
        Style {
            attributes: notice.attributes,
            format: if topic.fifo { Format::Text } else { notice.format.0 },
            partition: topic.partition().to_owned(),
            owner_tags: notice.told_owner_tags().to_vec(),
        }
    }
}
