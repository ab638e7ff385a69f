//! Bounds how deep a policy may be nested. Cedar reads, checks and evaluates conditions by recursion:
//! one that is nested thousands of times would overflow the stack, and end the process.

use super::refusal::Refusal;
use super::source::Source;

/// The most operators and brackets of one policy. Each can be one level of nesting, as in
/// `a || b || c`. A policy that people write has a dozen or two.
pub(super) const OPERATOR_LIMIT: usize = 200;

/// The stack that a policy of this many operators is read with, in bytes: reading takes up to 0.1 MB
/// a level without optimisation, as measured.
pub(super) const READING_STACK: usize = 64 << 20;

/// Refuses policies that have too many operators.
pub(super) fn check(source: &Source) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let (mut operators, mut begins, mut before) = (0, 0, ' ');
    for (offset, character) in Code::of(&source.text) {
        if character == ';' {
            (operators, begins) = (0, offset + 1);
        } else if is_operator(before, character) {
            operators += 1;
            if operators == OPERATOR_LIMIT + 1 {
                refusals.push(refusal(source, begins));
            }
        }
        before = character;
    }
    refusals
}

/// Whether an operator or a bracket ends with this character, before which another one stands.
fn is_operator(before: char, character: char) -> bool {
    match character {
        '!' | '(' | '[' | '{' | '.' | '+' | '-' | '*' => true,
        '&' | '|' => before == character,
        // `if`, the only word that nests; part of another word, it counts as well.
        'f' => before == 'i',
        _ => false,
    }
}

/// Refuses the policy that stands behind a byte of a source.
fn refusal(source: &Source, begins: usize) -> Refusal {
    let text = source.text.get(begins..).unwrap_or_default();
    let offset = begins + text.len() - text.trim_start().len();
    let wrong = format!("has more than {OPERATOR_LIMIT} operators and brackets");
    let remedy = "make several policies of it, or compare with a list: [\"a\", \"b\"].contains(…)";
    Refusal::at(source, offset, wrong, remedy)
}

/// The characters of a text that are neither in a comment nor in quotes, with their places.
struct Code<'text> {
    left: std::iter::Peekable<std::str::CharIndices<'text>>,
}

impl<'text> Code<'text> {
    fn of(text: &'text str) -> Self {
        Self { left: text.char_indices().peekable() }
    }

    fn skip_comment(&mut self) {
        while self.left.next_if(|(_, character)| *character != '\n').is_some() {}
    }

    fn skip_string(&mut self) {
        while let Some((_, character)) = self.left.next() {
            match character {
                '\\' => drop(self.left.next()),
                '"' => return,
                _ => {}
            }
        }
    }
}

impl Iterator for Code<'_> {
    type Item = (usize, char);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (offset, character) = self.left.next()?;
            match character {
                '"' => self.skip_string(),
                '/' if self.left.peek().is_some_and(|(_, next)| *next == '/') => {
                    self.skip_comment();
                }
                _ => return Some((offset, character)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Vec<String> {
        let source = Source { name: "p.cedar".to_owned(), text: text.to_owned() };
        check(&source).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_stands_in_quotes_and_comments_does_not_count() {
        let quoted = format!("@id(\"{}\\\"{}\")", "(;".repeat(300), "[".repeat(300));
        assert_eq!(refused(&quoted), [""; 0]);
        assert_eq!(refused(&format!("// {}\n", "(".repeat(300))), [""; 0]);
    }

    #[test]
    fn each_policy_is_counted_by_itself_and_refused_where_it_begins() {
        let sound = format!("forbid {};\n", "||".repeat(OPERATOR_LIMIT / 2));
        assert_eq!(refused(&sound.repeat(3)), [""; 0]);
        let nested = format!("{sound}  forbid {}", "(".repeat(OPERATOR_LIMIT + 50));
        let [refusal] = &*refused(&nested) else { panic!("not one") };
        assert!(refusal.starts_with("p.cedar:2:3: has more than 200 operators"), "{refusal}");
    }
}
