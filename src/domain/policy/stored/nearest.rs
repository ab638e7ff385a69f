//! Finds what somebody may have meant who misspelt a name.

/// How many letters may be wrong.
const SLIPS: usize = 2;

/// The name that is most like a misspelt one; `None` if none is like it.
pub(super) fn nearest<'n>(misspelt: &str, names: &[&'n str]) -> Option<&'n str> {
    let distances = names.iter().map(|name| (distance(misspelt, name), *name));
    let (slips, name) = distances.min_by_key(|(slips, _)| *slips)?;
    (slips <= SLIPS && slips < name.len()).then_some(name)
}

/// How many letters have to be put in, taken away or replaced to make one text from another, without
/// regard to case.
fn distance(one: &str, other: &str) -> usize {
    let [one, other] = [one, other].map(str::to_lowercase);
    // The distances of the beginnings of `other` from the beginning of `one` so far.
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (length, letter) in one.chars().zip(1..).map(|(letter, length)| (length, letter)) {
        let mut next = vec![length];
        for (place, wanted) in other.chars().enumerate() {
            let replaced = row.get(place).copied().unwrap_or_default();
            let taken = row.get(place + 1).copied().unwrap_or_default();
            let put = next.last().copied().unwrap_or_default();
            let cost = usize::from(letter != wanted);
            next.push((replaced + cost).min(taken + 1).min(put + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_two_letters_finds_its_name_and_more_does_not() {
        let names = ["instanceType", "imageId", "tags", "now"];
        for (misspelt, name) in [
            ("instanceTyp", Some("instanceType")),
            ("instance_type", Some("instanceType")),
            ("ImageID", Some("imageId")),
            ("tag", Some("tags")),
            ("vpc", None),
            ("x", None),
        ] {
            assert_eq!(nearest(misspelt, &names), name, "{misspelt}");
        }
    }
}
