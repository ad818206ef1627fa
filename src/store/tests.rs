use std::{
    os::unix::fs::{MetadataExt, PermissionsExt},
    sync::atomic::{AtomicBool, Ordering},
};

use redb::{BackendError, StorageBackend};

use super::*;

#[derive(Debug, Deserialize, PartialEq, Serialize)]
struct Note(String);

impl Record for Note {
    const TABLE: &'static str = "note";
}

fn note(text: &str) -> Note {
    Note(text.into())
}

fn open(state: &Path) -> Result<Arc<Store>, Error> {
    Store::open(&StateDir::open(state)?)
}

/// What a process that was killed leaves: the file as the system sees it, never closed.
fn crash(state: &Path) -> tempfile::TempDir {
    let after = tempfile::tempdir().unwrap();
    let new = StateDir::open(after.path()).unwrap();
    let old = state.join(StateDir::NAME).join(FILE);
    std::fs::copy(old, new.path().join(FILE)).unwrap();
    after
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_crash() {
    let state = tempfile::tempdir().unwrap();
    let store = open(state.path()).unwrap();
    for number in 0..20 {
        let key = format!("{number:02}");
        store
            .write(move |changes| changes.put(&key, &note("kept")))
            .await
            .unwrap();
    }
    let after = crash(state.path());
    let store = open(after.path()).unwrap();
    assert_eq!(store.list::<Note>().unwrap().len(), 20);
}

#[tokio::test]
async fn eventual_changes_reach_the_disk_with_the_next_synced_one() {
    let state = tempfile::tempdir().unwrap();
    let store = open(state.path()).unwrap();
    let put = |key: &'static str| move |changes: &Changes<'_>| changes.put(key, &note("x"));
    store
        .submit(Durability::Eventual, put("a"), |_| ())
        .unwrap();
    store.write(put("b")).await.unwrap();
    let store = open(crash(state.path()).path()).unwrap();
    assert!(store.get::<Note>("a").unwrap().is_some());
}

#[test]
fn closing_writes_what_is_queued_and_frees_the_folder() {
    let state = tempfile::tempdir().unwrap();
    let store = open(state.path()).unwrap();
    for number in 0..100 {
        let change = move |changes: &Changes<'_>| changes.put(&format!("{number}"), &note("x"));
        store.submit(Durability::Eventual, change, |_| ()).unwrap();
    }
    store.close();
    assert!(matches!(
        store.write_blocking(|changes| changes.remove::<Note>("1")),
        Err(Error::Closed)
    ));
    assert_eq!(
        open(state.path()).unwrap().list::<Note>().unwrap().len(),
        100
    );
}

#[test]
fn a_change_sees_those_before_it() {
    let state = tempfile::tempdir().unwrap();
    let store = open(state.path()).unwrap();
    let take = |changes: &Changes<'_>| changes.remove::<Note>("once");
    store
        .submit(
            Durability::Eventual,
            |changes| changes.put("once", &note("x")),
            |_| (),
        )
        .unwrap();
    assert!(store.write_blocking(take).unwrap());
    assert!(!store.write_blocking(take).unwrap());
}

#[test]
fn a_second_labgate_is_told_who_holds_the_folder() {
    let state = tempfile::tempdir().unwrap();
    let _first = open(state.path()).unwrap();
    let error = open(state.path()).unwrap_err();
    let me = std::process::id();
    assert!(matches!(error, Error::Locked { holder: Some(id), .. } if id == me));
    assert!(error.to_string().contains("stop it first"), "{error}");
}

#[test]
fn secrets_are_made_once_and_differ_by_purpose() {
    let state = tempfile::tempdir().unwrap();
    let store = open(state.path()).unwrap();
    let first = store.secret("a").unwrap();
    assert!(first == store.secret("a").unwrap());
    assert!(first != store.secret("b").unwrap());
    store.close();
    assert!(first == open(state.path()).unwrap().secret("a").unwrap());
}

#[test]
fn files_and_folder_are_ours_alone() {
    let state = tempfile::tempdir().unwrap();
    drop(open(state.path()).unwrap());
    let ours = state.path().join(StateDir::NAME);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&ours), 0o700);
    assert_eq!(mode(&ours.join(FILE)), 0o600);
    assert_eq!(mode(&ours.join(LOCK)), 0o600);
}

#[test]
fn a_damaged_or_foreign_file_is_reported_and_kept() {
    let state = tempfile::tempdir().unwrap();
    let path = StateDir::open(state.path()).unwrap().path().join(FILE);
    let garbage = b"not a store".repeat(2000);
    for content in [&garbage[..], &garbage[..10]] {
        std::fs::write(&path, content).unwrap();
        let error = open(state.path()).unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
        assert_eq!(std::fs::read(&path).unwrap(), content);
    }
}

#[test]
fn a_cut_or_altered_store_is_an_error_and_no_panic() {
    let state = tempfile::tempdir().unwrap();
    let store = open(state.path()).unwrap();
    store.secret("a").unwrap();
    store.close();
    let path = state.path().join(StateDir::NAME).join(FILE);
    let good = std::fs::read(&path).unwrap();
    std::fs::write(&path, &good[..good.len() / 2]).unwrap();
    assert!(matches!(open(state.path()), Err(Error::Corrupt { .. })));
    let mut bad = good.clone();
    for byte in bad.iter_mut().skip(4096) {
        *byte ^= 0x55;
    }
    std::fs::write(&path, &bad).unwrap();
    assert!(matches!(open(state.path()), Err(Error::Corrupt { .. })));
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let state = tempfile::tempdir().unwrap();
    let store = open(state.path()).unwrap();
    store
        .write_blocking(|changes| changes.put(FORMAT_KEY, &Meta::Format(FORMAT + 1)))
        .unwrap();
    store.close();
    let error = open(state.path()).unwrap_err();
    assert!(matches!(error, Error::Format { found: 2, .. }), "{error}");
}

#[test]
fn an_unreadable_record_fails_its_reader_alone() {
    #[derive(Deserialize, Serialize)]
    struct Other(u32);
    impl Record for Other {
        const TABLE: &'static str = "note";
    }
    let state = tempfile::tempdir().unwrap();
    let store = open(state.path()).unwrap();
    store
        .write_blocking(|changes| changes.put("a", &note("secret text")))
        .unwrap();
    let error = store
        .write_blocking(|changes| changes.get::<Other>("a").map(drop))
        .unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }));
    assert!(!error.to_string().contains("secret"), "{error}");
    assert!(store.get::<Note>("a").unwrap().is_some());
}

/// A disk that can be full.
#[derive(Debug)]
struct Disk {
    file: FileBackend,
    full: Arc<AtomicBool>,
}

impl Disk {
    fn room(&self) -> std::io::Result<()> {
        if self.full.load(Ordering::SeqCst) {
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> std::io::Result<u64> {
        self.file.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> std::io::Result<()> {
        self.file.read(offset, out)
    }
    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.room().and_then(|()| self.file.set_len(len))
    }
    fn sync_data(&self) -> std::io::Result<()> {
        self.room().and_then(|()| self.file.sync_data())
    }
    fn write(&self, offset: u64, data: &[u8]) -> std::io::Result<()> {
        self.room().and_then(|()| self.file.write(offset, data))
    }
    fn try_lock_range(
        &self,
        start: std::ops::Bound<u64>,
        end: std::ops::Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }
}

impl Store {
    /// A store whose disk is full while the switch is on.
    pub(crate) fn open_on_a_disk_that_fills(
        state: &Path,
    ) -> Result<(Arc<Self>, Arc<AtomicBool>), Error> {
        let dir = StateDir::open(state)?;
        let (path, held) = (dir.path().join(FILE), dir.try_clone()?);
        let full = Arc::new(AtomicBool::new(false));
        let switch = full.clone();
        let opener = Box::new(move || {
            let disk = Disk {
                file: backend(dir.file(FILE)?, &path)?,
                full: switch.clone(),
            };
            redb::Builder::new()
                .create_with_backend(disk)
                .map_err(|error| Error::redb(&path, error))
        });
        Ok((Self::start(held, None, opener)?, full))
    }
}

#[tokio::test]
async fn a_full_disk_fails_the_change_and_later_ones_succeed_once_there_is_room() {
    let state = tempfile::tempdir().unwrap();
    let (store, full) = Store::open_on_a_disk_that_fills(state.path()).unwrap();
    store
        .write(|changes| changes.put("before", &note("x")))
        .await
        .unwrap();
    full.store(true, Ordering::SeqCst);
    for _ in 0..3 {
        let error = store
            .write(|changes| changes.put("during", &note("x")))
            .await
            .unwrap_err();
        assert!(matches!(error, Error::Full { .. }), "{error:?}");
    }
    full.store(false, Ordering::SeqCst);
    store
        .write(|changes| changes.put("after", &note("x")))
        .await
        .unwrap();
    let keys: Vec<String> = store
        .list::<Note>()
        .unwrap()
        .into_iter()
        .map(|row| row.0)
        .collect();
    assert_eq!(keys, ["after", "before"]);
    assert_eq!(store.failures(), 3);
}

#[test]
fn a_secret_that_is_there_is_read_without_a_write() {
    let state = tempfile::tempdir().unwrap();
    let (store, full) = Store::open_on_a_disk_that_fills(state.path()).unwrap();
    let secret = store.secret("cookies").unwrap();
    full.store(true, Ordering::SeqCst);
    let again = store.secret("cookies").unwrap();
    assert_eq!(again.expose(), secret.expose());
    store.check_format().unwrap();
    let other = store.secret("codes").map(|_| ());
    assert!(matches!(other, Err(Error::Full { .. })), "{other:?}");
}

// The folder (T45).

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_folder_is_made_with_its_parents() {
    let base = tempfile::tempdir().unwrap();
    let state = base.path().join("a/b/c");
    let dir = StateDir::open(&state).unwrap();
    assert_eq!(dir.path(), state.join(StateDir::NAME));
    assert!(dir.warnings().is_empty());
}

#[test]
fn a_lax_mode_of_our_folder_and_files_is_repaired() {
    let state = tempfile::tempdir().unwrap();
    let ours = StateDir::open(state.path()).unwrap().path().to_owned();
    std::fs::write(ours.join(FILE), b"").unwrap();
    chmod(&ours, 0o2777);
    chmod(&ours.join(FILE), 0o666);
    let dir = StateDir::open(state.path()).unwrap();
    assert_eq!(std::fs::metadata(&ours).unwrap().mode() & 0o7777, 0o700);
    let file = dir.file(FILE).unwrap();
    assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
}

#[test]
fn a_link_in_place_of_our_folder_or_file_is_refused() {
    let state = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let ours = state.path().join(StateDir::NAME);
    std::os::unix::fs::symlink(elsewhere.path(), &ours).unwrap();
    let error = StateDir::open(state.path()).unwrap_err();
    assert!(matches!(error, Error::Folder { .. }), "{error:?}");
    std::fs::remove_file(&ours).unwrap();
    let dir = StateDir::open(state.path()).unwrap();
    std::os::unix::fs::symlink(elsewhere.path().join("x"), ours.join(FILE)).unwrap();
    assert!(dir.file(FILE).is_err());
    assert!(!elsewhere.path().join("x").exists());
}

#[test]
fn a_link_above_our_folder_is_fine() {
    let base = tempfile::tempdir().unwrap();
    std::fs::create_dir(base.path().join("real")).unwrap();
    let link = base.path().join("link");
    std::os::unix::fs::symlink(base.path().join("real"), &link).unwrap();
    StateDir::open(&link).unwrap();
}

#[test]
fn a_folder_that_belongs_to_somebody_else_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return; // only root can give a folder away
    }
    let state = tempfile::tempdir().unwrap();
    let ours = StateDir::open(state.path()).unwrap().path().to_owned();
    std::os::unix::fs::chown(&ours, Some(65534), None).unwrap();
    let error = StateDir::open(state.path()).unwrap_err().to_string();
    assert!(error.contains("belongs to user 65534"), "{error}");
}

#[test]
fn the_mount_above_may_warn_or_refuse() {
    let state = tempfile::tempdir().unwrap();
    for (mode, warnings) in [(0o755, 0), (0o775, 1), (0o2770, 1), (0o1777, 0)] {
        chmod(state.path(), mode);
        let dir = StateDir::open(state.path()).unwrap();
        assert_eq!(dir.warnings().len(), warnings, "{mode:o}");
    }
    for mode in [0o777, 0o757] {
        chmod(state.path(), mode);
        let error = StateDir::open(state.path()).unwrap_err();
        assert!(matches!(error, Error::Folder { .. }), "{mode:o}");
    }
}

#[test]
fn a_state_dir_that_is_a_file_is_refused_in_words() {
    let base = tempfile::tempdir().unwrap();
    let file = base.path().join("file");
    std::fs::write(&file, b"").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = StateDir::open(&path).unwrap_err().to_string();
        assert!(error.contains("is not a folder"), "{error}");
    }
}

// Copies.

#[test]
fn a_copy_holds_one_moment_whatever_is_written_meanwhile() {
    let state = tempfile::tempdir().unwrap();
    let store = open(state.path()).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let write = |number: u32| {
        let text = number.to_string();
        let pair = move |changes: &Changes<'_>| {
            changes.put("left", &note(&text))?;
            changes.put("right", &note(&text))
        };
        store.write_blocking(pair).unwrap();
    };
    write(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1.. {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                write(number);
            }
        });
        for _ in 0..5 {
            let mut copy = store.copy().unwrap();
            let elsewhere = tempfile::tempdir().unwrap();
            let mut file = StateDir::open(elsewhere.path())
                .unwrap()
                .file(FILE)
                .unwrap();
            copy.rewind().unwrap();
            std::io::copy(&mut copy, &mut file).unwrap();
            let copied = open(elsewhere.path()).unwrap();
            let left = copied.get::<Note>("left").unwrap();
            assert!(left.is_some());
            assert_eq!(left, copied.get::<Note>("right").unwrap());
        }
        stop.store(true, Ordering::SeqCst);
    });
    let names = std::fs::read_dir(state.path().join(StateDir::NAME)).unwrap();
    assert_eq!(names.count(), 2, "the store and its lock alone");
}
