use gadget_sketch::{DecodeError, MAX_COUNT, Mapping, Sketch};
use sketches_ddsketch::{Config, DDSketch};

use crate::data::{Random, sketch_of};

#[test]
fn every_sketch_reads_back_equal() {
    let mut random = Random(3);
    let other = Mapping::logarithmic(0.02).unwrap();
    for i in 0..60 {
        let values = random.distribution(i * i);
        for mapping in [Mapping::CONTRACT, Mapping::BASE2, other] {
            let mut sketch = sketch_of(mapping, &values);
            if i % 3 == 0 {
                sketch.extend([f64::NAN, 1e-200, 1e200, -1e-200, -1e200]);
                sketch.insert_many(0.0, 1 << 40);
            }
            assert_eq!(Sketch::from_bytes(&sketch.to_bytes()), Ok(sketch));
        }
    }
}

#[test]
fn an_empty_sketch_is_two_bytes_and_reads_back() {
    for mapping in [Mapping::CONTRACT, Mapping::BASE2] {
        let empty = Sketch::with(mapping);
        assert_eq!(empty.to_bytes().len(), 2);
        assert_eq!(Sketch::from_bytes(&empty.to_bytes()), Ok(empty));
    }
    let mut refused = Sketch::new();
    refused.insert(f64::NAN);
    assert_eq!(Sketch::from_bytes(&refused.to_bytes()), Ok(refused));
}

#[test]
fn it_is_never_larger_than_the_peer_s_form() {
    let mut random = Random(4);
    for i in 0..300 {
        let n = [1, 2, 3, 10, 100, 1_500, 20_000][i % 7];
        let values = random.distribution(n);
        let mut theirs = DDSketch::new(Config::new(0.0075, 2048, 1e-9));
        values.iter().for_each(|it| theirs.add(*it));
        let (ours, theirs) =
            (sketch_of(Mapping::CONTRACT, &values).to_bytes().len(), theirs.to_java_bytes().len());
        assert!(ours <= theirs, "{n} values: {ours} bytes, theirs {theirs}");
        assert!(n > 1_500 || ours <= 1_228 + n / 2, "{n} values: {ours} bytes");
    }
}

#[test]
fn a_window_of_1500_values_is_at_most_1200_bytes() {
    let mut random = Random(5);
    let cpu = random
        .many(1_500, |it| if it.uniform() < 0.85 { 0.0 } else { 0.01 * (1.5 * it.normal()).exp() });
    let rss = random.many(1_500, |it| 4096.0 * (6.0 + 1.6 * it.normal()).exp().floor());
    for values in [cpu, rss] {
        let bytes = sketch_of(Mapping::CONTRACT, &values).to_bytes();
        assert!(bytes.len() <= 1_200, "{} bytes", bytes.len());
    }
}

#[test]
fn bytes_that_were_cut_or_changed_are_refused_or_read_as_they_are() {
    let mut random = Random(6);
    let mut sketch = sketch_of(Mapping::CONTRACT, &random.distribution(300));
    sketch.extend([f64::NAN, 0.0, 1e-200, -3.0, 1e200]);
    let bytes = sketch.to_bytes();
    for len in 0..bytes.len() {
        assert_eq!(Sketch::from_bytes(&bytes[..len]), Err(DecodeError::Truncated), "{len}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert_eq!(Sketch::from_bytes(&longer), Err(DecodeError::Malformed("bytes follow")));
    let mut read = 0;
    for _ in 0..20_000 {
        let mut changed = bytes.clone();
        for _ in 0..1 + random.next() % 3 {
            let at = random.next() as usize % changed.len();
            changed[at] = random.next() as u8;
        }
        if let Ok(sketch) = Sketch::from_bytes(&changed) {
            assert_eq!(sketch.to_bytes(), changed);
            read += 1;
        }
    }
    assert!(read > 0, "a changed count is a sketch as well");
}

#[test]
fn each_kind_of_garbage_has_its_error() {
    let refused = |bytes: &[u8]| Sketch::from_bytes(bytes).unwrap_err();
    assert_eq!(refused(&[2, 0]), DecodeError::Version(2));
    assert_eq!(refused(&[1, 3]), DecodeError::Malformed("no such mapping"));
    assert_eq!(refused(&[1, 128]), DecodeError::Malformed("a minimum of no values"));
    assert_eq!(refused(&[1, 64, 0, 0]), DecodeError::Malformed("an empty part"));
    let signed = [&[1, 4][..], &(-0.0_f64).to_le_bytes(), &0.0_f64.to_le_bytes(), &[0, 0, 1]];
    assert!(matches!(refused(&signed.concat()), DecodeError::Summary(_)), "a zero with a sign");
    let gamma = |gamma: f64| refused(&[&[1, 2][..], &gamma.to_le_bytes()].concat());
    for bad in [1.0, 0.0, -3.0, f64::INFINITY, 1e9] {
        assert_eq!(gamma(bad), DecodeError::Gamma(bad));
    }
    assert!(matches!(gamma(f64::NAN), DecodeError::Gamma(_)));
    assert!(matches!(gamma(Mapping::BASE2.gamma()), DecodeError::Malformed(_)));

    // One value of 1.0: its minimum, maximum and sum, the key, no bins more, and its count.
    let one = sketch_of(Mapping::CONTRACT, &[1.0]).to_bytes();
    let (head, sum) = one[..one.len() - 3].split_at(18);
    assert_eq!(one[one.len() - 3..], [0, 0, 64]);
    let with = |sum: &[u8], tail: &[u8]| refused(&[head, sum, tail].concat());
    assert_eq!(with(sum, &[0xff, 0xff, 0xff, 0xff, 0x0f, 0, 64]), DecodeError::Index(-0x8000_0000));
    assert_eq!(with(sum, &[0, 0x80, 0x20]), DecodeError::Malformed("too many bins"));
    assert!(matches!(with(sum, &[0, 0, 63]), DecodeError::Malformed(_)), "no count of 0");
    assert!(matches!(with(sum, &[0, 0, 0xc0, 0]), DecodeError::Malformed(_)), "a longer varint");
    assert_eq!(with(sum, &[0, 1, 64]), DecodeError::Truncated);
    assert_eq!(
        with(sum, &[2, 0, 65]),
        DecodeError::Summary("minimum, maximum or sum"),
        "two values"
    );
    assert_eq!(with(sum, &[40, 0, 64]), DecodeError::Summary("minimum"), "another bin");
    assert!(matches!(with(&[0, 0], &[0, 0, 64]), DecodeError::Summary(_)), "a sum of zero");
    assert!(matches!(with(&[2, 0], &[0, 0, 64]), DecodeError::Malformed(_)), "no way to write it");
    let mut huge = vec![0, 0];
    let mut count = MAX_COUNT + 64;
    while count > 127 {
        huge.push(count as u8 | 128);
        count >>= 7;
    }
    huge.push(count as u8);
    assert!(matches!(with(sum, &huge), DecodeError::Count(_)));
}
