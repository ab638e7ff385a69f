//! Reads the forms of the query protocols, in which `Filter.1.Value.2=x` is the second value of the
//! first filter.

use serde_json::{Map, Value};

/// No operation nests deeper than this. Without a limit, a long name would overflow the stack.
const MAX_DEPTH: usize = 10;

/// Reads a form into nested objects and lists of strings.
pub(super) fn unflatten(form: &[u8]) -> Value {
    let mut tree = Map::new();
    for (name, value) in form_urlencoded::parse(form) {
        let path: Vec<&str> = name.splitn(MAX_DEPTH, '.').collect();
        insert(&mut tree, &path, value.into_owned());
    }
    Value::Object(tree.into_iter().map(|(name, branch)| (name, listed(branch))).collect())
}

fn insert(tree: &mut Map<String, Value>, path: &[&str], leaf: String) {
    let [name, rest @ ..] = path else { return };
    if rest.is_empty() {
        tree.insert((*name).to_owned(), Value::String(leaf));
        return;
    }
    let branch = tree.entry(*name).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(branch) = branch {
        insert(branch, rest, leaf);
    }
}

/// Turns `{"1": a, "2": b}` into `[a, b]`, and removes a `member` or `entry` around it.
fn listed(tree: Value) -> Value {
    let Value::Object(mut branches) = tree else { return tree };
    if branches.len() == 1
        && let Some(list) = branches.remove("member").or_else(|| branches.remove("entry"))
    {
        return listed(list);
    }
    let numbers: Option<Vec<u32>> = branches.keys().map(|name| name.parse().ok()).collect();
    match numbers {
        Some(numbers) if !numbers.is_empty() => {
            let mut items: Vec<_> = numbers.into_iter().zip(branches.into_values()).collect();
            items.sort_by_key(|(number, _)| *number);
            items.into_iter().map(|(_, item)| listed(item)).collect()
        }
        _ => branches.into_iter().map(|(name, branch)| (name, listed(branch))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::unflatten;

    #[test]
    fn numbered_names_become_lists_in_the_order_of_their_numbers() {
        let form =
            b"Action=A&Filter.1.Name=n&Filter.1.Value.2=b&Filter.1.Value.10=c&Filter.1.Value.1=a";
        let expected = json!({"Action": "A", "Filter": [{"Name": "n", "Value": ["a", "b", "c"]}]});
        assert_eq!(unflatten(form), expected);
    }

    #[test]
    fn members_and_entries_are_lists_too() {
        let form = b"X.member.1.Id=a&Y.entry.1.Name=k";
        assert_eq!(unflatten(form), json!({"X": [{"Id": "a"}], "Y": [{"Name": "k"}]}));
    }

    #[test]
    fn a_name_nested_without_end_does_no_harm() {
        let form = format!("{}=x", "a.".repeat(100_000));
        assert!(unflatten(form.as_bytes()).is_object());
    }
}
