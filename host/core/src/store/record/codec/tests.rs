//! Round trips of generated records, and every kind of damage.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

use super::*;
use crate::effects::{Alarm, Message};
use crate::id::{Digest, NodeId};
use crate::json::is_json;
use crate::limits::RECENT_WRITES_MAX;
use crate::store::record::effects::{
    DeadLetter, DurableEffects, FailedAlarm, Pending, Received, WakeupEntry,
};
use crate::store::record::{AnsweredCall, RecentWrites, Write, WriteId};

/// Creates a generator with a new seed for each run. The seed is printed, and `HIGHLANDER_SEED` repeats a run.
fn generator() -> StdRng {
    let seed = std::env::var("HIGHLANDER_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| rand::rng().random());
    println!("repeat with HIGHLANDER_SEED={seed}");
    StdRng::seed_from_u64(seed)
}

fn text(random: &mut StdRng, characters: &[char], len_max: usize) -> String {
    let len = random.random_range(1..=len_max);
    (0..len).filter_map(|_| characters.choose(random)).collect()
}

fn bytes(random: &mut StdRng, len_max: usize) -> Bytes {
    let mut bytes = vec![0; random.random_range(0..=len_max)];
    random.fill_bytes(&mut bytes);
    bytes.into()
}

fn state(random: &mut StdRng) -> State {
    let texts = [
        "null",
        "0",
        "\"\"",
        "{}",
        "[]",
        "-1.5e300",
        "{\"a\": [1, {\"b\":\"ä\\u00e4\\\"\"}]}",
        "{\"checksum\":\"sha256:\"}",
    ];
    let json = match random.random_range(0..3) {
        0 => texts.choose(random).unwrap().to_string(),
        1 => serde_json::to_string(&"\"\\ä\n🎉".repeat(random.random_range(0..400))).unwrap(),
        _ => "[".repeat(random.random_range(1..5_000)),
    };
    let json = if json.starts_with("[[") { json.clone() + &"]".repeat(json.len()) } else { json };
    let json = if is_json(json.as_bytes()) { json } else { "[]".to_owned() };
    let is_json = random.random_bool(0.7);
    State {
        content_type: if is_json { JSON.into() } else { "application/x-\"odd\"".into() },
        schema_version: random.random(),
        bytes: if is_json { json.into() } else { bytes(random, 3_000) },
    }
}

fn record(random: &mut StdRng) -> Record {
    let odd = ['a', '7', '/', '"', '\\', '<', ' ', 'ä', '🎉', '\u{2028}'];
    let visible: Vec<char> = ('!'..='~').collect();
    let version = random.random_range(1..u64::MAX);
    let oldest = version.saturating_sub(random.random_range(0..RECENT_WRITES_MAX as u64)).max(1);
    let recent = (oldest..=version).map(|version| Write { version, id: WriteId(random.random()) });
    let recent = RecentWrites::new(recent.collect());
    let answered = (0..random.random_range(0..20)).map(|_| AnsweredCall {
        key: text(random, &visible, IDEMPOTENCY_KEY_BYTES_MAX).into(),
        fingerprint: random.random(),
        version: random.random_range(0..=version),
        epoch: random.random(),
        revision: random.random(),
        time_ms: random.random(),
        reply: random.random_bool(0.5).then(|| bytes(random, 200)),
    });
    let answered = answered.collect();
    Record {
        id: ObjectId::new("shared-list2", &text(random, &odd, 60)).unwrap(),
        version,
        epoch: random.random(),
        owner: NodeId::new(&text(random, &odd, 40)),
        recent,
        revision: random.random(),
        component: Digest::of(&random.random::<[u8; 8]>()),
        time_ms: random.random(),
        answered,
        faults: random.random(),
        effects: random.random_bool(0.5).then(|| Arc::new(effects(random))),
        state: random.random_bool(0.9).then(|| state(random)),
    }
}

fn message(random: &mut StdRng) -> Message {
    let odd = ['a', '/', '"', '\\', ' ', '\u{e4}'];
    Message {
        to: ObjectId::new("list", &text(random, &odd, 30)).unwrap(),
        handler: "take".into(),
        argument: serde_json::to_vec(&text(random, &odd, 90)).unwrap().into(),
    }
}

fn effects(random: &mut StdRng) -> DurableEffects {
    let alarm = |random: &mut StdRng, n| Alarm {
        name: format!("alarm-{n}").into(),
        due_ms: random.random(),
        every_ms: random.random_bool(0.5).then(|| random.random()),
        handler: "ring".into(),
        argument: Bytes::from_static(b"{\"a\": [1]}"),
        tries: random.random(),
        retry_ms: random.random(),
        failure: random.random_bool(0.5).then(|| "it \"fails\"".into()),
    };
    let alarms: Arc<[Alarm]> = (0..random.random_range(0..4)).map(|n| alarm(random, n)).collect();
    let failed = |random: &mut StdRng, number| FailedAlarm {
        number,
        alarm: alarm(random, number),
        time_ms: random.random(),
    };
    let pending = |random: &mut StdRng, number| Pending {
        number,
        message: message(random),
        tries: random.random(),
    };
    let letter = |random: &mut StdRng, number| DeadLetter {
        number,
        message: message(random),
        why: "it \"refuses\"".into(),
        time_ms: random.random(),
    };
    let received = |random: &mut StdRng| Received {
        sender: message(random).to,
        number: random.random(),
        time_ms: random.random(),
    };
    let wake = WakeupEntry { minute: random.random(), nonce: WriteId(random.random()) };
    DurableEffects {
        alarms: Some(alarms).filter(|alarms| !alarms.is_empty()),
        failed: (5..random.random_range(5..8)).map(|n| failed(random, n)).collect(),
        failures: 9,
        sent: 9,
        outbox: (3..random.random_range(3..8)).map(|n| pending(random, n)).collect(),
        dead: (1..random.random_range(1..3)).map(|n| letter(random, n)).collect(),
        received: (0..random.random_range(0..4)).map(|_| received(random)).collect(),
        wake: random.random_bool(0.5).then_some(wake),
    }
}

/// Returns a small record that is the same in every run.
fn small() -> Record {
    let id = WriteId([0xab; 16]);
    let call = AnsweredCall {
        key: "k1".into(),
        fingerprint: [1; 8],
        version: 7,
        epoch: 2,
        revision: 3,
        time_ms: 5,
        reply: Some(Bytes::from_static(b"done")),
    };
    Record {
        id: ObjectId::new("todo", "42").unwrap(),
        version: 7,
        epoch: 2,
        owner: NodeId::new("node-a"),
        recent: RecentWrites::new(vec![Write { version: 7, id }]),
        revision: 3,
        component: Digest::of(b"component"),
        time_ms: 61_000,
        answered: [call].into(),
        faults: 0,
        effects: None,
        state: Some(State {
            content_type: JSON.into(),
            schema_version: 1,
            bytes: Bytes::from_static(br#"{"title":"Buy milk"}"#),
        }),
    }
}

/// Returns `body` with a valid checksum.
fn sealed(body: &str) -> Bytes {
    let sum = Digest::of(body.as_bytes());
    format!("{body},\"checksum\":\"sha256:{sum}\"}}").into()
}

/// Returns the error of decoding `small` with `from` replaced by `to`, under a valid checksum.
#[track_caller]
fn edited(from: &str, to: &str) -> DecodeError {
    let record = small();
    let encoded = String::from_utf8(encode(&record).to_vec()).unwrap();
    let body = &encoded[..encoded.len() - CHECKSUM_FIELD_BYTES];
    assert_eq!(body.matches(from).count(), 1, "{from:?} in {body}");
    decode(&record.id, &sealed(&body.replace(from, to))).unwrap_err()
}

#[track_caller]
fn is_damaged(error: &DecodeError, part: &str) {
    let DecodeError::Damaged { why } = error else { panic!("not damaged: {error}") };
    assert!(why.contains(part), "{why:?} does not say {part:?}");
}

#[test]
fn records_come_back_as_they_were() {
    let mut random = generator();
    for round in 0..2_000 {
        let record = record(&mut random);
        let encoded = encode(&record);
        assert_eq!(decode(&record.id, &encoded).as_ref(), Ok(&record), "round {round}");
        assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&encoded).is_ok());
    }
}

#[test]
fn a_record_looks_as_documented() {
    let component = Digest::of(b"component");
    let expected = [
        r#"{"format":1,"type":"todo","key":"42","version":7,"epoch":2,"owner":"node-a","#,
        r#""write_id":"abababababababababababababababab","#,
        r#""recent":[[7,"abababababababababababababababab"]],"revision":3,"#,
        &format!(r#""component":"{component}","time_ms":61000,"#),
        r#""answered":[["k1","0101010101010101",7,2,3,5,"ZG9uZQ=="]],"faults":0,"#,
        r#""deleted":false,"schema_version":1,"content_type":"application/json","#,
        r#""state":{"title":"Buy milk"}"#,
    ]
    .concat();
    assert_eq!(encode(&small()), sealed(&expected));
}

#[test]
fn the_checksum_field_has_the_documented_length() {
    assert_eq!(CHECKSUM_FIELD_BYTES, 86);
}

#[test]
fn every_changed_byte_is_noticed() {
    let mut random = generator();
    for record in [small(), record(&mut random), record(&mut random), record(&mut random)] {
        let encoded = encode(&record);
        for index in 0..encoded.len() {
            for flip in [0x01, 0x1b, 0x20, 0x80, random.random_range(1..=255)] {
                let mut changed = encoded.to_vec();
                changed[index] ^= flip;
                let result = decode(&record.id, &changed.into());
                assert!(result.is_err(), "byte {index} ^ {flip:#x}");
            }
        }
    }
}

#[test]
fn every_cut_and_every_addition_is_noticed() {
    let mut random = generator();
    let record = record(&mut random);
    let encoded = encode(&record);
    for length in 0..encoded.len() {
        is_damaged(&decode(&record.id, &encoded.slice(..length)).unwrap_err(), "it");
        is_damaged(&decode(&record.id, &encoded.slice(encoded.len() - length..)).unwrap_err(), "");
    }
    is_damaged(&decode(&record.id, &[&encoded[..], b"\n"].concat().into()).unwrap_err(), "");
    is_damaged(&decode(&record.id, &[&encoded[..], &encoded].concat().into()).unwrap_err(), "");
}

#[test]
fn arbitrary_bytes_are_refused_without_a_panic() {
    let mut random = generator();
    let id = small().id;
    let body = encode(&small());
    let body = &body[..body.len() - CHECKSUM_FIELD_BYTES];
    for _ in 0..20_000 {
        assert!(decode(&id, &bytes(&mut random, 300)).is_err());
        // With a valid checksum too, so that only the grammar and the consistency checks can reject the record.
        let mut changed = body.to_vec();
        for _ in 0..random.random_range(1..4) {
            let index = random.random_range(0..changed.len());
            changed[index] = *b"\"{}[],:0919ae\\\x00\xff".choose(&mut random).unwrap();
        }
        let sum = Digest::of(&changed);
        changed.extend_from_slice(format!(",\"checksum\":\"sha256:{sum}\"}}").as_bytes());
        if let Ok(record) = decode(&id, &changed.into()) {
            assert_eq!((check(&record), &record.id), (Ok(()), &id));
        }
    }
}

#[test]
fn a_record_of_another_object_is_named() {
    let error = decode(&ObjectId::new("todo", "43").unwrap(), &encode(&small())).unwrap_err();
    assert_eq!(error, DecodeError::Foreign { found: "todo/42".to_owned() });
    assert_eq!(
        edited("\"todo\"", "\"user\""),
        DecodeError::Foreign { found: "user/42".to_owned() }
    );
}

#[test]
fn a_newer_format_is_told_from_damage() {
    let newer = sealed(r#"{"format":5,"everything":"else","is":["different"]"#);
    assert_eq!(decode(&small().id, &newer), Err(DecodeError::NewerFormat(5)));
    let mut damaged = newer.to_vec();
    damaged[20] ^= 1;
    is_damaged(&decode(&small().id, &damaged.into()).unwrap_err(), "checksum");
    is_damaged(&edited("\"format\":1", "\"format\":0"), "format 0");
    is_damaged(&edited("\"format\":1", "\"format\":2"), "format 2");
    is_damaged(&edited("\"format\":1", "\"format\":3"), "format 3");
    is_damaged(&edited("\"format\":1", "\"format\":4"), "format 4");
    is_damaged(&edited("\"format\":1", "\"format\":99999999999"), "format");
    is_damaged(&edited("\"format\":1", "\"format\":-1"), "format");
}

#[test]
fn what_contradicts_itself_is_refused() {
    let write = "abababababababababababababababab";
    let cases = [
        ("\"version\":7", "\"version\":8", "did not make its version"),
        ("\"version\":7", "\"version\":0", "version is 0"),
        ("[[7,", &format!("[[7,\"{write}\"],[7,"), "out of order"),
        ("[[7,", "[[8,", "did not make"),
        (&format!("\"write_id\":\"{write}"), "\"write_id\":\"00", "write_id"),
        (&format!("[[7,\"{write}\"]]"), "[]", "write_id is not"),
        ("\"deleted\":false", "\"deleted\":true", "neither"),
        (",\"state\":{\"title\":\"Buy milk\"}", "", "content type"),
        ("\"state\":{\"title\":\"Buy milk\"}", "\"state_base64\":\"AA==\"", "content type"),
        ("application/json", "application/cbor", "content type"),
        ("\"schema_version\":1,", "", "neither"),
        ("\"faults\":0", "\"faults\":0,\"alarms\":[]", "unknown field `alarms`"),
        ("\"faults\":0", "\"faults\":0,\"faults\":0", "duplicate field `faults`"),
        ("\"faults\":0,", "", "missing field `faults`"),
        ("\"faults\":0", "\"faults\":-1", "invalid value"),
        ("[\"k1\",", "[\"k 1\",", "cannot have been made"),
        ("\"0101010101010101\",7,", "\"0101010101010101\",8,", "cannot have been made"),
        ("ZG9uZQ==", "ZG9uZQ=", "reply"),
    ];
    for (from, to, why) in cases {
        is_damaged(&edited(from, to), why);
    }
}

#[test]
fn what_exceeds_the_limits_is_refused() {
    let mut record = small();
    let state = record.state.as_mut().unwrap();
    state.bytes = format!("\"{}\"", "x".repeat(STATE_BYTES_MAX - 2)).into();
    assert_eq!(decode(&record.id, &encode(&record)).as_ref(), Ok(&record));
    let state = format!("\"{}\"", "x".repeat(STATE_BYTES_MAX - 1));
    is_damaged(&edited("{\"title\":\"Buy milk\"}", &state), "too large");
    let state = format!("\"{}\"", "x".repeat(RECORD_BYTES_MAX));
    is_damaged(&edited("{\"title\":\"Buy milk\"}", &state), "bytes, more than");
    let write = format!("[7,\"{}\"],", "ab".repeat(16));
    is_damaged(&edited("\"recent\":[", &format!("\"recent\":[{}", write.repeat(8))), "lists 9");
}

#[test]
fn a_large_state_is_not_copied_and_a_small_one_holds_nothing_else_in_memory() {
    let mut record = small();
    let encoded = encode(&record);
    let is_part = |encoded: &Bytes, record: &Record| {
        let state = &record.state.as_ref().unwrap().bytes;
        encoded.as_ptr_range().contains(&state.as_ptr())
    };
    assert!(!is_part(&encoded, &decode(&record.id, &encoded).unwrap()));
    record.state.as_mut().unwrap().bytes = format!("\"{}\"", "x".repeat(10_000)).into();
    let encoded = encode(&record);
    assert!(is_part(&encoded, &decode(&record.id, &encoded).unwrap()));
}

#[test]
fn one_json_value_is_told_from_everything_else() {
    for good in ["null", " {} \n", "[1,2]", "\"ä\"", "-0.1e3", "[[[[[[[[[]]]]]]]]]"] {
        assert!(is_json(good.as_bytes()), "{good}");
    }
    for bad in
        [&b""[..], b" ", b"{", b"{}{}", b"1,2", b"\xff", b"\"\xc3\"", b"nul", b"\"\n\"", b"01"]
    {
        assert!(!is_json(bad), "{bad:?}");
    }
}

#[test]
#[ignore = "a measurement: cargo test --release -p highlander-core --lib codec -- --ignored --nocapture"]
#[allow(clippy::disallowed_methods, reason = "a measurement of this thread alone")]
fn how_fast_it_is() {
    for state_bytes in [100, 1_000, 15_000, 1_000_000] {
        let mut record = small();
        let item = r#"{"title":"Buy milk","done":false},"#;
        let items = item.repeat(state_bytes / item.len() + 1);
        record.state.as_mut().unwrap().bytes = format!("[{items}1]").into();
        let encoded = encode(&record);
        let each = |work: &dyn Fn()| {
            let rounds = 200_000_000 / (state_bytes + 10_000);
            let start = Instant::now();
            (0..rounds).for_each(|_| work());
            start.elapsed().div_f64(rounds as f64)
        };
        let encode_time: Duration = each(&|| drop(encode(&record)));
        let decode_time = each(&|| drop(decode(&record.id, &encoded).unwrap()));
        println!("{state_bytes:>9} B: encode {encode_time:?}, decode {decode_time:?}");
    }
}
