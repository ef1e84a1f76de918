//! A file that people and programs change in their ways, and a socket with clients of every kind.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;

use gadget_core::{Agent, Gadget, Plans, Signal, Stop, World};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use control::request;

const MS: Duration = Duration::from_millis(1);
/// Nothing comes within this, or never.
const QUIET: Duration = Duration::from_millis(800);
const SOON: Duration = Duration::from_secs(20);

/// Refuses what says `bad`.
fn check(text: &str) -> Result<(), String> {
    if text.contains("bad") { Err("line 1: there is no bad".to_owned()) } else { Ok(()) }
}

fn watch() -> SettingsWatch {
    SettingsWatch::of("surveyor", check).shows(|| "a = 1\n".to_owned())
}

fn told(watch: &mut SettingsWatch, within: Duration) -> Result<Vec<SettingsText>, SignalError> {
    watch.wait(within).unwrap()?;
    let mut out = Signals::at(Timestamp::from_secs(1));
    watch.sample(Timestamp::from_secs(1), Scope::Everything, &mut out).unwrap();
    let texts = out.into_iter().map(|signal| match &signal.reading {
        Reading::Settings(settings) => (**settings).clone(),
        other => panic!("{other:?}"),
    });
    Ok(texts.collect())
}

fn texts(watch: &mut SettingsWatch, within: Duration) -> Vec<String> {
    told(watch, within).unwrap().into_iter().map(|told| told.text.to_string()).collect()
}

fn in_folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("surveyor.toml");
    (folder, path)
}

#[test]
fn a_file_is_told_at_the_beginning_and_when_its_text_is_another() {
    let (_folder, path) = in_folder();
    fs::write(&path, "a = 1").unwrap();
    let mut watch = watch().file(&path);
    let first = told(&mut watch, SOON).unwrap();
    assert_eq!((&*first[0].gadget, &*first[0].text), ("surveyor", "a = 1"));
    assert_eq!(&*first[0].from, path.to_str().unwrap());
    assert!(texts(&mut watch, QUIET).is_empty());
    fs::write(&path, "a = 2").unwrap();
    assert_eq!(texts(&mut watch, SOON), ["a = 2"]);
    // The same text, written again.
    fs::write(&path, "a = 2").unwrap();
    assert!(texts(&mut watch, QUIET).is_empty());
}

#[test]
fn a_file_that_is_replaced_by_renaming_is_told() {
    let (folder, path) = in_folder();
    fs::write(&path, "a = 1").unwrap();
    let mut watch = watch().file(&path);
    assert_eq!(texts(&mut watch, SOON), ["a = 1"]);
    for n in 2..5 {
        // As editors do, with a backup.
        fs::rename(&path, folder.path().join("surveyor.toml~")).unwrap();
        fs::write(folder.path().join("new"), format!("a = {n}")).unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        assert_eq!(texts(&mut watch, SOON), [format!("a = {n}")]);
    }
}

#[test]
fn a_file_may_be_missing_and_come_later_with_its_folder() {
    let (folder, _) = in_folder();
    let path = folder.path().join("etc/surveyor.toml");
    let mut watch = watch().file(&path);
    assert!(texts(&mut watch, 100 * MS).is_empty());
    fs::create_dir(folder.path().join("etc")).unwrap();
    fs::write(&path, "a = 1").unwrap();
    assert_eq!(texts(&mut watch, SOON), ["a = 1"]);
    fs::remove_file(&path).unwrap();
    assert!(texts(&mut watch, QUIET).is_empty(), "what was said last holds");
    fs::remove_dir(folder.path().join("etc")).unwrap();
    assert!(texts(&mut watch, 100 * MS).is_empty());
    fs::create_dir(folder.path().join("etc")).unwrap();
    fs::write(&path, "a = 2").unwrap();
    assert_eq!(texts(&mut watch, SOON), ["a = 2"]);
}

#[test]
fn a_file_that_is_emptied_on_the_way_is_not_believed_and_one_that_stays_empty_is() {
    let (_folder, path) = in_folder();
    fs::write(&path, "a = 1").unwrap();
    let mut watch = watch().file(&path);
    assert_eq!(texts(&mut watch, SOON), ["a = 1"]);
    let mut file = fs::File::create(&path).unwrap();
    assert!(texts(&mut watch, 150 * MS).is_empty());
    file.write_all(b"a = 2").unwrap();
    drop(file);
    assert_eq!(texts(&mut watch, SOON), ["a = 2"]);
    fs::File::create(&path).unwrap();
    assert_eq!(texts(&mut watch, SOON), [""]);
}

#[test]
fn a_file_that_somebody_keeps_open_is_told_all_the_same() {
    let (_folder, path) = in_folder();
    let mut watch = watch().file(&path);
    let mut file = fs::File::create(&path).unwrap();
    file.write_all(b"a = 1").unwrap();
    assert_eq!(texts(&mut watch, SOON), ["a = 1"]);
    file.write_all(b"0").unwrap();
    assert_eq!(texts(&mut watch, SOON), ["a = 10"]);
}

#[test]
fn a_folder_of_links_that_is_exchanged_as_a_whole_is_told() {
    let (folder, path) = in_folder();
    let version = |n: u32| {
        let to = folder.path().join(format!("..{n}"));
        fs::create_dir(&to).unwrap();
        fs::write(to.join("surveyor.toml"), format!("a = {n}")).unwrap();
        symlink(to, folder.path().join("..tmp")).unwrap();
        fs::rename(folder.path().join("..tmp"), folder.path().join("..data")).unwrap();
    };
    version(1);
    symlink("..data/surveyor.toml", &path).unwrap();
    let mut watch = watch().file(&path);
    assert_eq!(texts(&mut watch, SOON), ["a = 1"]);
    version(2);
    assert_eq!(texts(&mut watch, SOON), ["a = 2"]);
}

#[test]
fn what_is_no_text_of_a_sane_size_is_an_error_once() {
    let (folder, path) = in_folder();
    let mut watch = watch().file(&path);
    assert!(texts(&mut watch, MS).is_empty());
    let wrong = |watch: &mut SettingsWatch| {
        let error = watch.wait(SOON).unwrap().unwrap_err();
        std::error::Error::source(&error).unwrap().to_string()
    };
    fs::write(&path, b"a = \"\xff\"").unwrap();
    assert_eq!(wrong(&mut watch), "it is no UTF-8");
    fs::write(&path, vec![b'#'; MAX_TEXT + 1]).unwrap();
    assert_eq!(wrong(&mut watch), "it has more than 64 KiB");
    assert!(texts(&mut watch, QUIET).is_empty());
    fs::write(folder.path().join("other"), "a = 1").unwrap();
    fs::rename(folder.path().join("other"), &path).unwrap();
    assert_eq!(texts(&mut watch, SOON), ["a = 1"]);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(watch.wait(SOON).unwrap().is_err());
}

/// A watch that is served on a thread of its own, as in an agent.
struct Served {
    _folder: TempDir,
    socket: PathBuf,
    told: mpsc::Receiver<SettingsText>,
    end: mpsc::Sender<()>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Served {
    fn new() -> Self {
        Self::with(SOON)
    }

    fn with(patience: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("control");
        let mut watch = watch().socket(&socket).unwrap();
        watch.control.as_mut().unwrap().patience = patience;
        let ((tell, told_here), (end, ended)) = (mpsc::channel(), mpsc::channel());
        let thread = thread::spawn(move || {
            while ended.try_recv() == Err(mpsc::TryRecvError::Empty) {
                for text in told(&mut watch, 20 * MS).unwrap() {
                    tell.send(text).unwrap();
                }
            }
        });
        Self { _folder: folder, socket, told: told_here, end, thread: Some(thread) }
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.socket).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream
    }

    fn ask(&self, command: &str, text: &str) -> Result<String, String> {
        SettingsWatch::ask(&self.socket, command, text).unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.end.send(());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        assert!(!self.socket.exists(), "the socket goes with its watch");
    }
}

fn answer(mut stream: UnixStream) -> String {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_socket_shows_checks_and_sets() {
    let served = Served::new();
    assert_eq!(served.ask("show", ""), Ok("a = 1\n".to_owned()));
    assert_eq!(served.ask("check", "[top]\n\nmost = 5\n"), Ok(String::new()));
    assert!(served.told.try_recv().is_err(), "nothing was set");
    assert_eq!(served.ask("set", "[top]\n\nmost = 5\n"), Ok(String::new()));
    let told = served.told.recv_timeout(SOON).unwrap();
    assert_eq!((&*told.gadget, &*told.text), ("surveyor", "[top]\n\nmost = 5\n"));
    let uid = rustix::process::geteuid().as_raw();
    assert_eq!(&*told.from, format!("control socket, uid {uid}"));
}

#[test]
fn what_is_wrong_is_answered_and_told_for_the_record() {
    let served = Served::new();
    let wrong = "line 1: there is no bad";
    assert_eq!(served.ask("check", "bad = 1"), Err(wrong.to_owned()));
    assert!(served.told.try_recv().is_err());
    assert_eq!(served.ask("set", "bad = 1"), Err(wrong.to_owned()));
    assert_eq!(&*served.told.recv_timeout(SOON).unwrap().text, "bad = 1");
    assert!(served.ask("sett", "a = 1").unwrap_err().contains("found \"sett\""));
    assert!(served.ask("set", " \n").unwrap_err().contains("lines of TOML"));
    assert!(served.ask("", "").is_err());
    assert!(served.told.try_recv().is_err());
}

#[test]
fn a_request_may_come_in_pieces_and_end_with_a_dot() {
    let served = Served::new();
    let mut stream = served.connect();
    for piece in ["se", "t\na ", "= 1\n", ".", "\n"] {
        stream.write_all(piece.as_bytes()).unwrap();
        thread::sleep(10 * MS);
    }
    assert_eq!(answer(stream), "ok\n");
    assert_eq!(&*served.told.recv_timeout(SOON).unwrap().text, "a = 1\n");
}

#[test]
fn clients_that_say_too_much_or_go_away_harm_nobody() {
    let served = Served::new();
    let long = format!("a = \"{}\"", "x".repeat(MAX_TEXT));
    let refused = format!("more than {MAX_TEXT} bytes");
    assert_eq!(served.ask("set", &long), Err(refused.clone()));
    assert_eq!(served.ask("set", &long.repeat(9)), Err(refused), "and is read no further");
    drop(served.connect());
    let mut stream = served.connect();
    stream.write_all(b"show\n").unwrap();
    drop(stream); // before the answer
    let mut stream = served.connect();
    stream.write_all(&[0xff; 100]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert!(answer(stream).starts_with("error: expected show, set or check"));
    let mut stream = served.connect();
    stream.write_all(b"set\n\xff").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(answer(stream), "error: the settings are no UTF-8\n");
    assert!(served.ask("show", "").is_ok());
    assert!(served.told.try_recv().is_err());
}

#[test]
fn connections_are_bounded_and_those_that_say_nothing_are_let_go() {
    let served = Served::with(Duration::from_secs(1));
    let silent: Vec<_> = (0..8).map(|_| served.connect()).collect();
    assert_eq!(served.ask("show", ""), Err("too many connections".to_owned()));
    for stream in silent {
        assert_eq!(answer(stream), "", "their time is up");
    }
    assert!(served.ask("show", "").is_ok());
}

#[test]
fn only_the_owner_may_connect() {
    let served = Served::new();
    let mode = fs::metadata(&served.socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_socket_that_a_dead_process_left_is_replaced_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control");
    drop(UnixListener::bind(&path).unwrap()); // its file stays
    let first = watch().socket(&path).unwrap();
    let in_use = |path: &Path| {
        let error = watch().socket(path).err().unwrap();
        std::error::Error::source(&error).unwrap().to_string()
    };
    assert_eq!(in_use(&path), "somebody listens there already");
    drop(first);
    assert!(!path.exists());
    fs::write(&path, "a file").unwrap();
    assert_eq!(in_use(&path), "something else than a socket is there");
    assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
    assert!(watch().socket(folder.path().join("x".repeat(200))).is_err());
}

#[test]
fn a_watch_does_not_take_the_socket_of_another_away() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control");
    let old = watch().socket(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let _new = watch().socket(&path).unwrap();
    drop(old);
    assert!(path.exists());
}

/// Says when it was given which settings.
#[derive(Clone)]
struct Reader(mpsc::SyncSender<(Instant, SettingsText)>);

impl Gadget for Reader {
    fn name(&self) -> Name {
        "surveyor".into()
    }
    fn observe(&mut self, signal: &Signal) {
        if let Reading::Settings(settings) = &signal.reading {
            let _ = self.0.send((Instant::now(), (**settings).clone()));
        }
    }
    fn plan(&mut self, _: Timestamp, _: &World, _: &mut Plans) {}
}

#[test]
fn in_an_agent_a_change_is_there_within_a_second() {
    let (folder, path) = in_folder();
    let socket = folder.path().join("control");
    let watch = watch().file(&path).socket(&socket).unwrap();
    let (tell, told) = mpsc::sync_channel(16);
    let mut agent = Agent::builder()
        .provider(watch, Duration::from_secs(1))
        .gadget(Reader(tell))
        .build()
        .unwrap();
    let stop = Stop::new();
    let run = {
        let stop = stop.clone();
        thread::spawn(move || agent.run(&stop))
    };
    // A host that does not let us run may delay one change, and not each of them.
    let mut quickest = [Duration::MAX; 2];
    for n in 0..5 {
        for (by_socket, quickest) in quickest.iter_mut().enumerate() {
            let text = format!("a = {n}{by_socket}");
            let written = Instant::now();
            if by_socket == 1 {
                SettingsWatch::ask(&socket, "set", &text).unwrap().unwrap();
            } else {
                fs::write(&path, &text).unwrap();
            }
            let (at, settings) = told.recv_timeout(SOON).unwrap();
            assert_eq!(&*settings.text, text);
            *quickest = at.duration_since(written).min(*quickest);
        }
        if quickest.iter().all(|&quickest| quickest < Duration::from_millis(500)) {
            break;
        }
    }
    stop.stop();
    run.join().unwrap();
    println!("file {:?}, socket {:?}", quickest[0], quickest[1]);
    assert!(quickest.iter().all(|&quickest| quickest < Duration::from_secs(1)), "{quickest:?}");
}

#[test]
fn settings_that_nobody_takes_in_are_bounded() {
    let mut watch = watch();
    let set = |watch: &mut SettingsWatch| watch.answer("a test", Request::Set("a = 1"));
    for _ in 0..MAX_UNTOLD {
        assert!(set(&mut watch).is_ok());
    }
    assert!(set(&mut watch).unwrap_err().contains("try again"));
    assert_eq!(texts(&mut watch, MS).len(), MAX_UNTOLD);
    assert!(set(&mut watch).is_ok());
}

#[test]
fn requests_are_told_apart() {
    assert_eq!(request(b"", false), Ok(None));
    assert_eq!(request(b"show", false), Ok(None));
    assert_eq!(request(b"show\r\n", false), Ok(Some(Request::Show)));
    assert_eq!(request(b"show", true), Ok(Some(Request::Show)));
    assert_eq!(request(b"set\na = 1\n", false), Ok(None));
    assert_eq!(request(b"set\na = 1\n", true), Ok(Some(Request::Set("a = 1\n"))));
    assert_eq!(request(b"check\na = 1\n.\nmore", false), Ok(Some(Request::Check("a = 1\n"))));
    assert_eq!(request(b"set\na = .5\n", false), Ok(None));
    assert!(request(&[b'x'; 33], false).is_err(), "that will be no command");
}

proptest! {
    #[test]
    fn a_request_is_the_same_however_it_comes(
        input in "(show|set|check|sh|\u{e9})?[ \r]?(\n(a = 1|\\.|\\.\\.|\r|\u{e9})?){0,5}",
        cut in 0_usize..40,
    ) {
        let input = input.as_bytes();
        let (whole, part) = (request(input, true), request(&input[..cut.min(input.len())], false));
        prop_assert!(whole != Ok(None), "at the end there is an answer");
        if part != Ok(None) {
            prop_assert_eq!(part, whole, "what is told of the beginning is told of the whole");
        }
    }
}
