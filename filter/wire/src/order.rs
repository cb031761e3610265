//! Sorting that is compiled once for all types. The standard library's sort is compiled for each type, at some kilobytes each; this module
//! sorts only numbers and indexes.

use std::cmp::Ordering;

/// Sorts `list` by its elements' numbers; stable.
pub fn by_numbers<T>(list: &mut Vec<T>, numbers: impl Fn(&T) -> (u64, u64)) {
    let mut places: Vec<(u64, u64, usize)> = Vec::with_capacity(list.len());
    places.extend(list.iter().enumerate().map(|(place, element)| {
        let (first, second) = numbers(element);
        (first, second, place)
    }));
    if places.is_sorted() {
        return;
    }
    places.sort_unstable();
    arrange(list, places.into_iter().map(|(_, _, place)| place));
}

/// Sorts `list` by `compare`; stable.
pub fn by<T>(list: &mut Vec<T>, compare: impl Fn(&T, &T) -> Ordering) {
    if list.is_sorted_by(|one, other| compare(one, other).is_le()) {
        return;
    }
    let places = sorted(list.len(), &|one, other| match (list.get(one), list.get(other)) {
        (Some(one), Some(other)) => compare(one, other),
        _ => Ordering::Equal,
    });
    arrange(list, places.into_iter());
}

/// The indexes of `length` elements in the order of `compare`.
fn sorted(length: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut places: Vec<usize> = (0..length).collect();
    places.sort_unstable_by(|one, other| compare(*one, *other).then(one.cmp(other)));
    places
}

/// Rearranges the elements into the order of these indexes.
fn arrange<T>(list: &mut Vec<T>, places: impl Iterator<Item = usize>) {
    let mut elements: Vec<Option<T>> = list.drain(..).map(Some).collect();
    list.extend(places.filter_map(|place| elements.get_mut(place)?.take()));
}

/// Collects a map or set. `collect` would sort the elements first.
pub fn gathered<T, C: Default + Extend<T>>(all: impl IntoIterator<Item = T>) -> C {
    let mut gathered = C::default();
    gathered.extend(all);
    gathered
}

/// Moves the elements that `go_first` to the front of `list[from..]`; both groups keep their order.
pub fn put_first<T>(list: &mut Vec<T>, from: usize, go_first: impl Fn(&T) -> bool) {
    if list.len() <= from.saturating_add(1) {
        return;
    }
    let rest = list.split_off(from.min(list.len()));
    let (before, after): (Vec<T>, Vec<T>) = rest.into_iter().partition(go_first);
    list.extend(before.into_iter().chain(after));
}

/// Maps a float to a number with the order of [`f64::total_cmp`].
pub fn of_float(float: f64) -> u64 {
    const SIGN: u64 = 1 << 63;
    let bits = float.to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn what_has_the_same_numbers_keeps_its_order() {
        let mut list = vec![(2, "a"), (0, "b"), (2, "c"), (1, "d"), (0, "e")];
        by_numbers(&mut list, |(number, _)| (*number, 0));
        assert_eq!(list, [(0, "b"), (0, "e"), (1, "d"), (2, "a"), (2, "c")]);
        by_numbers(&mut list, |_| (0, 0));
        assert_eq!(list.len(), 5);
        assert_eq!(list.first(), Some(&(0, "b")));
    }

    #[test]
    fn what_compares_as_equal_keeps_its_order() {
        let mut list = vec![("b", 0), ("a", 1), ("b", 2), ("", 3), ("a", 4)];
        by(&mut list, |(one, _), (other, _)| one.cmp(other));
        assert_eq!(list, [("", 3), ("a", 1), ("a", 4), ("b", 0), ("b", 2)]);
        by(&mut list, |(_, one), (_, other)| other.cmp(one));
        assert_eq!(list.iter().map(|(_, number)| *number).collect::<Vec<_>>(), [4, 3, 2, 1, 0]);
    }

    #[test]
    fn some_go_first_and_what_stands_before_stays() {
        let mut list = vec![7, 2, 1, 4, 3];
        put_first(&mut list, 1, |number| number % 2 == 1);
        assert_eq!(list, [7, 1, 3, 2, 4]);
        put_first(&mut list, 9, |_| true);
        assert_eq!(list, [7, 1, 3, 2, 4]);
    }

    #[test]
    fn floats_keep_their_order() {
        let floats = [f64::NEG_INFINITY, -2.5, -0.0, 0.0, 1e-300, 2.5, f64::INFINITY, f64::NAN];
        for pair in floats.windows(2) {
            assert_eq!(of_float(pair[0]).cmp(&of_float(pair[1])), pair[0].total_cmp(&pair[1]), "{pair:?}");
        }
    }
}
