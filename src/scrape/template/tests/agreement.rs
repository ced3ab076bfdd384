//! The steady way and the full parse agree, whatever has changed between two bodies.

use proptest::{collection::vec, prelude::*};

use super::*;

/// A line of a body, in the abstract.
#[derive(Clone, Debug)]
enum Piece {
    Type(usize, usize),
    Help(usize, u8),
    Sample(usize, usize, u8),
    Timed(usize, usize, u8),
    Exemplar(usize, usize, u8),
    BadSample(usize, usize),
    BadType(usize),
    Bad,
    Empty,
}

/// What happens to a body between two scrapes.
#[derive(Clone, Debug)]
enum Change {
    Remove(usize),
    Insert(usize, Piece),
    Swap(usize, usize),
    Repeat(usize, usize),
    Value(usize, u8),
    Reverse,
    Cut(usize),
}

const FAMILIES: [&str; 5] = ["a", "b", "b_total", "h", "s"];
const NAMES: [&str; 9] = [
    "a",
    "b_total",
    "b_created",
    "h_bucket",
    "h_sum",
    "h_count",
    "s",
    "process_start_time_seconds",
    "other_total",
];
const LABELS: [&str; 12] = [
    "",
    "{x=\"1\"}",
    "{x=\"1\",y=\"2\"}",
    "{y=\"2\",x=\"1\"}",
    "{x=\"\"}",
    "{le=\"1\"}",
    "{le=\"1.0\"}",
    "{le=\"+Inf\"}",
    "{le=\"ten\"}",
    "{vmrange=\"1...2\"}",
    "{quantile=\"0.5\"}",
    "{quantile=\"high\"}",
];
const KINDS: [&str; 5] = ["counter", "gauge", "histogram", "summary", "unknown"];

fn piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        2 => (0..FAMILIES.len(), 0..KINDS.len()).prop_map(|(family, kind)| Piece::Type(family, kind)),
        1 => (0..FAMILIES.len(), 0..3_u8).prop_map(|(family, text)| Piece::Help(family, text)),
        8 => (0..NAMES.len(), 0..LABELS.len(), any::<u8>()).prop_map(|(n, l, v)| Piece::Sample(n, l, v)),
        2 => (0..NAMES.len(), 0..LABELS.len(), any::<u8>()).prop_map(|(n, l, v)| Piece::Timed(n, l, v)),
        1 => (0..NAMES.len(), 0..LABELS.len(), any::<u8>()).prop_map(|(n, l, v)| Piece::Exemplar(n, l, v)),
        1 => (0..NAMES.len(), 0..LABELS.len()).prop_map(|(name, labels)| Piece::BadSample(name, labels)),
        1 => (0..FAMILIES.len()).prop_map(Piece::BadType),
        1 => Just(Piece::Bad),
        1 => Just(Piece::Empty),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let place = || 0..64_usize;
    prop_oneof![
        place().prop_map(Change::Remove),
        (place(), piece()).prop_map(|(at, piece)| Change::Insert(at, piece)),
        (place(), place()).prop_map(|(a, b)| Change::Swap(a, b)),
        (place(), place()).prop_map(|(from, to)| Change::Repeat(from, to)),
        (place(), any::<u8>()).prop_map(|(at, value)| Change::Value(at, value)),
        Just(Change::Reverse),
        place().prop_map(Change::Cut),
    ]
}

fn apply(body: &mut Vec<Piece>, change: &Change) {
    let length = body.len().max(1);
    match change {
        _ if body.is_empty() => {}
        Change::Remove(at) => drop(body.remove(at % length)),
        Change::Insert(at, piece) => body.insert(at % length, piece.clone()),
        Change::Swap(a, b) => body.swap(a % length, b % length),
        Change::Repeat(from, to) => body.insert(to % length, body[from % length].clone()),
        Change::Value(at, new) => {
            if let Piece::Sample(_, _, value) | Piece::Timed(_, _, value) | Piece::Exemplar(_, _, value) =
                &mut body[at % length]
            {
                *value = *new;
            }
        }
        Change::Reverse => body.reverse(),
        Change::Cut(at) => body.truncate(at % length),
    }
}

fn text(body: &[Piece]) -> String {
    let line = |piece: &Piece| match piece {
        Piece::Type(family, kind) => {
            format!("# TYPE {} {}\n", FAMILIES[*family], KINDS[*kind].replace("unknown", "untyped"))
        }
        Piece::Help(family, text) => format!("# HELP {} {text}\n", FAMILIES[*family]),
        Piece::Sample(name, labels, value) => {
            format!("{}{} {}\n", NAMES[*name], LABELS[*labels], number(*value))
        }
        Piece::Timed(name, labels, value) => {
            format!("{}{} {} 17{value:03}\n", NAMES[*name], LABELS[*labels], number(*value))
        }
        Piece::Exemplar(name, labels, value) => {
            format!("{}{} {value} # {{id=\"{value}\"}} {value}\n", NAMES[*name], LABELS[*labels])
        }
        Piece::BadSample(name, labels) => format!("{}{} 1,5\n", NAMES[*name], LABELS[*labels]),
        Piece::BadType(family) => format!("# TYPE {} Counter\n", FAMILIES[*family]),
        Piece::Bad => "bad{ 1\n".to_owned(),
        Piece::Empty => "\n".to_owned(),
    };
    body.iter().map(line).collect()
}

/// Some values are moments, as the start of a counter is.
fn number(value: u8) -> u64 {
    if value.is_multiple_of(4) { 1_700_000_000 + u64::from(value) } else { u64::from(value) }
}

fn openmetrics(body: &[Piece]) -> String {
    let lenient = |piece: &&Piece| {
        !matches!(piece, Piece::Bad | Piece::Empty | Piece::BadSample(..) | Piece::BadType(_))
    };
    let strict: Vec<Piece> = body.iter().filter(lenient).cloned().collect();
    format!("{}# EOF\n", text(&strict).replace("untyped", "unknown"))
}

/// A delimited protobuf body; each piece a family of at most one metric.
fn protobuf(body: &[Piece]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in body {
        let family = match piece {
            Piece::Type(family, kind) => protobuf_family(FAMILIES[*family], [0, 1, 4, 2, 3][*kind], None),
            Piece::Sample(name, label, value) | Piece::Timed(name, label, value) => {
                protobuf_family(NAMES[*name], 1, Some((*label, *value)))
            }
            _ => continue,
        };
        bytes.push(u8::try_from(family.len()).unwrap());
        bytes.extend(family);
    }
    bytes
}

fn protobuf_family(name: &str, kind: u8, metric: Option<(usize, u8)>) -> Vec<u8> {
    let field = |tag: u8, bytes: &[u8]| [&[tag, u8::try_from(bytes.len()).unwrap()], bytes].concat();
    let mut family = field(0x0A, name.as_bytes());
    family.extend([0x18, kind]);
    if let Some((label, value)) = metric {
        let label = [field(0x0A, b"x"), field(0x12, &[b'a' + u8::try_from(label).unwrap()])].concat();
        let gauge = [&[0x09][..], &f64::from(value).to_le_bytes()].concat();
        let metric = [field(0x0A, &label), field(0x12, &gauge)].concat();
        family.extend(field(0x22, &metric));
    }
    family
}

/// What a reading means: everything but comments without effect.
#[derive(PartialEq, Debug)]
struct Meaning {
    lines: Vec<(String, Mark)>,
    shape: String,
    values: Vec<u64>,
    process_start: Option<u64>,
    samples: usize,
    rejected: usize,
    left_out: usize,
    timestamps: Vec<(u32, i64)>,
    unreadable: Vec<Unreadable>,
    notes: Vec<String>,
}

fn meaning(reading: &Reading, values: &[f64]) -> Meaning {
    let template = &reading.template;
    let text = |line: &Line| String::from_utf8(template.text(*line).to_vec()).unwrap();
    let effective = template.lines.iter().filter(|line| line.mark != Mark::Comment);
    Meaning {
        lines: effective.map(|line| (text(line), line.mark)).collect(),
        shape: shape(reading),
        values: values.iter().map(|value| value.to_bits()).collect(),
        process_start: reading.process_start.map(f64::to_bits),
        samples: reading.samples,
        rejected: reading.rejected.count,
        left_out: template.left_out(),
        timestamps: reading.timestamps.clone(),
        unreadable: reading.unreadable.clone(),
        notes: template.notes().to_vec(),
    }
}

/// The raw spelling, sorted, of each series, in the order of places.
fn series(template: &Template) -> Vec<String> {
    let kept = template.lines.iter().filter(|line| line.place().is_some());
    let parse = |line: &Line| {
        let text = std::str::from_utf8(template.text(*line)).unwrap();
        format!("{:?}", exposition::Series::parse(text).unwrap())
    };
    kept.map(parse).collect()
}

/// Every series that was there before is found again, and no other is taken for it.
fn check_moved(reading: &Reading, last: &Template) {
    let Some(moved) = &reading.moved else {
        assert_eq!(series(&reading.template), series(last), "no move was told");
        return;
    };
    let (before, now) = (series(last), series(&reading.template));
    assert_eq!(moved.len(), now.len());
    for (series, place) in now.iter().zip(moved) {
        // One spelling can be two series: a bucket's bound is canonical only once its family is known as a histogram.
        let spelt: Vec<usize> = (0..before.len()).filter(|at| before[*at] == *series).collect();
        let found = place.map_or(spelt.is_empty(), |place| spelt.contains(&(place as usize)));
        assert!(found, "{series}: {place:?}, not one of {spelt:?}");
    }
}

/// Reads the bodies one after the other, each by both ways.
fn check(bodies: &[Vec<u8>], format: Format, rules: &Rules) {
    let (steady, fresh) = (Templates::default(), Templates::default());
    let mut last: Option<Arc<Template>> = None;
    for body in bodies {
        let (mut steady_values, mut fresh_values) = (Vec::new(), Vec::new());
        let by_steady = read(body, format, rules, last.as_ref(), (&steady, &mut steady_values));
        let by_full = read(body, format, rules, None, (&fresh, &mut fresh_values));
        match (by_steady, by_full) {
            (Ok(by_steady), Ok(by_full)) => {
                assert_eq!(meaning(&by_steady, &steady_values), meaning(&by_full, &fresh_values));
                assert_eq!(steady_values.len(), by_steady.template.shape().len());
                last.iter().for_each(|last| check_moved(&by_steady, last));
                last = Some(by_steady.template);
            }
            (steady, full) => {
                assert_eq!(steady.unwrap_err().to_string(), full.unwrap_err().to_string());
            }
        }
    }
}

fn bodies(first: Vec<Piece>, steps: &[Vec<Change>], write: impl Fn(&[Piece]) -> Vec<u8>) -> Vec<Vec<u8>> {
    let mut body = first;
    let mut bodies = vec![write(&body)];
    for step in steps {
        step.iter().for_each(|change| apply(&mut body, change));
        bodies.push(write(&body));
    }
    bodies
}

fn rules() -> impl Strategy<Value = Rules> {
    let counting = Rules { counters: Arc::new(NameList::parse("a,s,nothing").unwrap()), ..Rules::default() };
    let limits = SeriesLimits { samples: 10, ..SeriesLimits::default() };
    prop_oneof![
        Just(Rules::default()),
        Just(allowing("b,h,other_*")),
        Just(allowing("a")),
        Just(allowing("h_p99,b_per_second,s_avg,nothing")),
        Just(counting),
        Just(Rules { limits, ..allowing("h,s,b") }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn on_text(
        first in vec(piece(), 0..40),
        steps in vec(vec(change(), 0..4), 1..5),
        rules in rules(),
        strict: bool,
    ) {
        let rules = Rules { strict, ..rules };
        check(&bodies(first, &steps, |body| text(body).into_bytes()), Format::Text, &rules);
    }

    #[test]
    fn on_openmetrics(
        first in vec(piece(), 0..40),
        steps in vec(vec(change(), 0..4), 1..5),
        rules in rules(),
    ) {
        check(&bodies(first, &steps, |body| openmetrics(body).into_bytes()), Format::OpenMetrics, &rules);
    }

    #[test]
    fn on_protobuf(
        first in vec(piece(), 0..40),
        steps in vec(vec(change(), 0..4), 1..5),
        rules in rules(),
    ) {
        check(&bodies(first, &steps, protobuf), Format::Protobuf, &rules);
    }
}
