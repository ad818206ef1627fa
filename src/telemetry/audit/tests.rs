use std::{
    fs,
    io::{self, Write},
    net::IpAddr,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use super::{repeats::MOST, *};
use crate::{clock::Timestamp, config::AuditLog, telemetry::RequestIds};

const DOCUMENT: &str = include_str!("../../../docs/audit.md");
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn clock() -> Clock {
    Clock::manual(Timestamp(1_800_000_000_000))
}

/// What is written to the operator's log while `told` runs.
fn written(format: Format, clock: &Clock, told: impl FnOnce(&Audit)) -> Vec<String> {
    let out = Shared::default();
    let started = Audit::start(&AuditLog::Stderr, out.clone(), format, clock.clone());
    let (audit, thread) = started.unwrap();
    told(&audit);
    audit.close();
    thread.join().unwrap();
    let bytes = out.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn failed<'a>(name: &'a str, device: &'a str) -> Event<'a> {
    Event::SignInFailed {
        reason: "wrong",
        name: Some(name),
        client: [192, 0, 2, 1].into(),
        device,
        request_id: RequestIds::default().next(),
    }
}

fn alike(last: u16, route: Option<&str>) -> Alike<'_> {
    Alike {
        reason: "denied",
        route,
        network: IpAddr::from([0x2001, 0xdb8, last, 0, 0, 0, 0, 0]),
    }
}

const GENERATION: Event<'_> = Event::ConfigurationReloaded { generation: 7 };

#[test]
fn an_event_is_one_line_in_either_format() {
    let event = Event::TunnelClosed {
        reason: "client",
        user: Some("ana"),
        session: None,
        route: Some("lab"),
        client: [192, 0, 2, 1].into(),
        bytes_in: 1,
        bytes_out: 2,
        seconds: Duration::from_millis(1500),
        request_id: RequestIds::default().next(),
    };
    let json = written(Format::Json, &clock(), |audit| audit.write(&event));
    let [line] = &json[..] else {
        panic!("{json:?}")
    };
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    for (field, value) in [
        ("target", "audit"),
        ("message", "tunnel-closed"),
        ("user", "ana"),
        ("client", "192.0.2.1"),
        ("timestamp", "2027-01-15T08:00:00.000Z"),
    ] {
        assert_eq!(line[field], value, "{field}");
    }
    assert_eq!(
        (&line["bytes_out"], &line["seconds"]),
        (&2.into(), &1.5.into())
    );
    assert!(line.get("session").is_none());
    let human = written(Format::Human, &clock(), |audit| audit.write(&event));
    let start = "2027-01-15T08:00:00.000Z audit tunnel-closed reason=client user=ana route=lab";
    assert!(human[0].starts_with(start) && human.len() == 1, "{human:?}");
}

#[test]
fn what_clients_write_makes_neither_lines_nor_fields_nor_moves_a_cursor() {
    // T82, T75
    let hostile = "ana\r\n2027 audit signed-in user=root\u{1b}[2J\u{9b}2J\u{85}\u{2028}\u{202e}\" x=\"\0\u{7f}";
    for format in [Format::Human, Format::Json] {
        let event = failed(hostile, hostile);
        let lines = written(format, &clock(), |audit| audit.write(&event));
        let [line] = &lines[..] else {
            panic!("{lines:?}")
        };
        let odd = |c: char| c.is_control() || "\u{2028}\u{202e}".contains(c);
        assert!(!line.contains(odd), "{line:?}");
        if format == Format::Json {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(
                line["name"]
                    .as_str()
                    .unwrap()
                    .starts_with("ana\u{fffd}\u{fffd}2027 audit")
            );
            assert!(line.get("user").is_none() && line.get("x").is_none());
        } else {
            assert!(line.contains("name=\"ana\u{fffd}\u{fffd}2027 "), "{line}");
            assert!(line.contains("\\\" x=\\\""), "{line}");
        }
    }
}

#[test]
fn what_people_write_stays_as_it_is_up_to_256_characters() {
    let event = failed("Zoë@example.org", "Mozilla/5.0 (X11)");
    let lines = written(Format::Human, &clock(), |audit| audit.write(&event));
    assert!(lines[0].contains(" name=Zoë@example.org "), "{lines:?}");
    assert!(
        lines[0].contains(" device=\"Mozilla/5.0 (X11)\" "),
        "{lines:?}"
    );
    let long = "é".repeat(10_000);
    let lines = written(Format::Json, &clock(), |audit| {
        audit.write(&failed(&long, ""));
    });
    assert_eq!(lines[0].matches('é').count(), 256);
}

#[test]
fn those_alike_are_one_line_and_then_a_count_each_minute() {
    let clock = clock();
    let lines = written(Format::Human, &clock, |audit| {
        for _ in 0..3 {
            audit.write_first(alike(1, Some("lab")), &GENERATION);
            audit.write_first(alike(2, Some("lab")), &GENERATION);
        }
        audit.write_first(alike(3, None), &GENERATION);
        clock.advance(Duration::from_millis(59_999));
        audit.tick();
        audit.write_first(alike(1, Some("lab")), &GENERATION);
        clock.advance(Duration::from_millis(1));
        audit.tick();
        // Nothing more came, so it is forgotten a minute later, and the next one is a first one.
        clock.advance(MINUTE);
        audit.tick();
        audit.write_first(alike(2, Some("lab")), &GENERATION);
        audit.write_first(alike(2, Some("lab")), &GENERATION);
    });
    let repeated: Vec<_> = lines
        .iter()
        .filter_map(|line| line.split_once(" audit repeated ").map(|(_, rest)| rest))
        .collect();
    let told = "event=configuration-reloaded reason=denied route=lab client=2001:db8:";
    let mut expected = [
        format!("{told}1:: count=3 seconds=60"),
        format!("{told}2:: count=2 seconds=60"),
        format!("{told}2:: count=1 seconds=0"),
    ];
    // Those of one minute come in any order.
    let mut repeated: Vec<String> = repeated.into_iter().map(str::to_owned).collect();
    repeated.sort();
    expected.sort();
    assert_eq!(repeated, expected);
    assert_eq!(lines.len(), 3 + 2 + 1 + 1, "{lines:?}");
}

#[test]
fn many_clients_take_no_more_memory_than_some_and_none_is_left_out() {
    let repeats = &mut Repeats::default();
    let clients = u16::try_from(MOST + 500).unwrap();
    let now = Timestamp(1);
    let firsts =
        (0..clients).filter(|client| repeats.is_first(&GENERATION, alike(*client, None), now));
    // One more: the first of those without a place.
    assert_eq!(firsts.count(), MOST + 1);
    let mut told = Vec::new();
    repeats.tell_all(now, |event| told.push(format!("{event:?}")));
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("client: None, count: 499"), "{told:?}");
}

#[test]
fn a_clock_that_is_set_back_keeps_nothing_untold_for_longer() {
    let repeats = &mut Repeats::default();
    let before = Timestamp(1_800_000_000_000);
    let back = Timestamp(before.0 - 24 * 60 * 60 * 1000);
    assert!(repeats.is_first(&GENERATION, alike(1, None), before));
    assert!(!repeats.is_first(&GENERATION, alike(1, None), back));
    let mut told = Vec::new();
    repeats.tell(back, |event| told.push(format!("{event:?}")));
    assert!(told.is_empty(), "within its minute: {told:?}");
    repeats.tell(back.plus(MINUTE), |event| told.push(format!("{event:?}")));
    assert_eq!(told.len(), 1, "{told:?}");
}

/// Whoever reads waits until it is let on.
struct Blocked(Receiver<()>, Shared);

impl Write for Blocked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _open_or_for_good = self.0.recv();
        self.1.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn nobody_waits_for_a_slow_reader_and_what_is_lost_is_counted() {
    let (open, gate): (Sender<()>, _) = channel();
    let out = Shared::default();
    let blocked = Blocked(gate, out.clone());
    let (audit, thread) = Audit::start(&AuditLog::Stderr, blocked, Format::Human, clock()).unwrap();
    for _ in 0..QUEUED + 10 {
        audit.write(&GENERATION);
    }
    let lost = audit.lost();
    // The writer holds one line or none.
    assert!((9..=10).contains(&lost), "{lost}");
    drop(open);
    audit.close();
    thread.join().unwrap();
    let bytes = out.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    assert!(
        text.contains(&format!("audit lines-dropped count={lost}\n")),
        "{text}"
    );
    let written = text.matches("configuration-reloaded").count();
    assert_eq!(written as u64 + lost, QUEUED as u64 + 10);
}

/// Fails for a while.
struct Full(u32, Shared);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return self.1.write(bytes);
        }
        self.0 -= 1;
        Err(io::ErrorKind::StorageFull.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_cannot_be_written_is_counted_too() {
    let out = Shared::default();
    let (audit, thread) = Audit::start(
        &AuditLog::Stderr,
        Full(3, out.clone()),
        Format::Human,
        clock(),
    )
    .unwrap();
    for _ in 0..5 {
        audit.write(&GENERATION);
    }
    audit.close();
    thread.join().unwrap();
    let bytes = out.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    let written = text.matches("configuration-reloaded").count();
    let dropped: usize = text
        .split("lines-dropped count=")
        .skip(1)
        .map(|rest| {
            rest.split_whitespace()
                .next()
                .unwrap()
                .parse::<usize>()
                .unwrap()
        })
        .sum();
    assert!(dropped > 0 && written + dropped == 5, "{text}");
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_file_is_ours_alone_appended_to_and_opened_anew_when_it_was_moved() {
    let folder = tempfile::tempdir().unwrap();
    let (path, moved) = (
        folder.path().join("audit.log"),
        folder.path().join("audit.log.1"),
    );
    let place = AuditLog::File(path.clone());
    let start = || Audit::start(&place, Shared::default(), Format::Human, clock()).unwrap();
    let (audit, thread) = start();
    assert_eq!(mode(&path), 0o600);
    audit.write(&GENERATION);
    audit.close();
    thread.join().unwrap();
    let (audit, thread) = start();
    fs::rename(&path, &moved).unwrap();
    audit.write(&GENERATION);
    audit.reopen();
    audit.write(&Event::ServerStopped {});
    audit.turn_to(&AuditLog::Off);
    audit.write(&GENERATION);
    audit.turn_to(&place);
    audit.write(&Event::ServerStopped {});
    audit.close();
    thread.join().unwrap();
    let [old, new] = [&moved, &path].map(|path| fs::read_to_string(path).unwrap());
    assert_eq!(
        old.matches("\"message\":\"configuration-reloaded\"")
            .count(),
        2,
        "{old}"
    );
    assert_eq!(
        new.matches("\"message\":\"server-stopped\"").count(),
        2,
        "{new}"
    );
    assert_eq!((old.lines().count(), new.lines().count()), (2, 2));
    assert_eq!(mode(&path), 0o600);
}

#[test]
fn what_is_no_file_or_cannot_be_opened_is_refused_and_the_old_file_stays() {
    let folder = tempfile::tempdir().unwrap();
    let [good, link, absent] = ["good", "link", "absent/log"].map(|name| folder.path().join(name));
    symlink(&good, &link).unwrap();
    for path in [&link, &absent, Path::new("/dev/null"), folder.path()] {
        let place = AuditLog::File(path.to_owned());
        let started = Audit::start(&place, Shared::default(), Format::Json, clock());
        assert!(started.is_err(), "{}", path.display());
    }
    let place = AuditLog::File(good.clone());
    let (audit, thread) = Audit::start(&place, Shared::default(), Format::Json, clock()).unwrap();
    audit.turn_to(&AuditLog::File(absent));
    audit.write(&GENERATION);
    audit.close();
    thread.join().unwrap();
    assert_eq!(fs::read_to_string(&good).unwrap().lines().count(), 1);
}

#[test]
fn the_document_has_every_event_with_its_fields_and_no_other() {
    let quoted = |text: &str| -> Vec<String> {
        text.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    let rows = DOCUMENT.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut documented: Vec<(String, Vec<String>)> = rows
        .map(|row| {
            let mut cells = row.split(" | ");
            let name = cells.next().unwrap().trim_end_matches('`').to_owned();
            (name, quoted(cells.next().unwrap()))
        })
        .collect();
    let mut listed: Vec<(String, Vec<String>)> = Event::LIST
        .iter()
        .map(|(name, fields)| {
            let fields = fields.iter().map(|field| (*field).to_owned()).collect();
            ((*name).to_owned(), fields)
        })
        .collect();
    documented.sort();
    listed.sort();
    assert_eq!(documented, listed);
}
