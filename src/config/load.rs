//! Loading: finds the layers, reads and merges them, and has the result validated.
//!
//! In: [`Sources`]. Out: [`Loaded`], or every problem of every file at once. Layers from high to
//! low: environment, overrides folder, the user's files, defaults.

use std::{
    cell::RefCell,
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    Config, env,
    origin::{Origin, Text, Texts},
    problem::{Found, Problem, Problems},
    read::Reader,
    sections,
    show::{Effective, Record},
    tree::{self, Table},
};

/// Where configuration comes from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The `-c` files, later ones override earlier ones. None: `LABGATE_CONFIG`, else
    /// `labgate.toml` in the current directory, else `/etc/labgate/labgate.toml`, else defaults.
    pub files: Vec<PathBuf>,
    /// The overrides folder. None: `LABGATE_OVERRIDES`, else `config-overrides` in the current
    /// directory if it is there.
    pub overrides: Option<PathBuf>,
    /// The whole environment.
    pub environment: Vec<(String, String)>,
    /// Absolute; relative paths in arguments and variables start here.
    pub current_dir: PathBuf,
}

/// A valid configuration and what came with it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is allowed but probably not meant.
    pub warnings: Vec<Problem>,
    /// Every file that was read, secrets included, absolute: a change of one may change the
    /// configuration.
    pub files: Vec<PathBuf>,
    /// The overrides folder, absolute, also where it does not exist (yet): a file that appears in it
    /// changes the configuration.
    pub overrides: PathBuf,
}

/// Loads the configuration.
pub fn load(sources: &Sources) -> Result<Loaded, Problems> {
    read(sources, Record::default()).map(|(loaded, _)| loaded)
}

/// Loads the configuration and says for every value where it is from.
pub fn load_effective(sources: &Sources) -> Result<(Loaded, Effective), Problems> {
    read(sources, Record::keeping())
}

/// Validates one text, without environment and files. Problems stand in `labgate.toml`.
pub fn parse_str(content: &str) -> Result<Config, Problems> {
    let texts = Texts {
        files: vec![Text::new(USER_FILE.into(), "/".into(), content.into())],
        variables: Vec::new(),
        current_dir: "/".into(),
    };
    let mut no_files = |_: &Path| Err(io::ErrorKind::Unsupported.into());
    let (config, _, _) = validate(&texts, Found::default(), &mut no_files, Record::default())?;
    Ok(config)
}

const USER_FILE: &str = "labgate.toml";
const SYSTEM_FILE: &str = "/etc/labgate/labgate.toml";
const OVERRIDES_FOLDER: &str = "config-overrides";

fn read(sources: &Sources, record: Record) -> Result<(Loaded, Effective), Problems> {
    let mut files = Files {
        sources,
        texts: Texts {
            files: Vec::new(),
            variables: sources.environment.clone(),
            current_dir: sources.current_dir.clone(),
        },
        read: Vec::new(),
        problems: Found::default(),
    };
    // What is told about the environment stays in the order of names.
    files.texts.variables.sort_unstable();
    files.user();
    let overrides = files.overrides();
    let Files {
        texts,
        read,
        problems,
        ..
    } = files;
    let read = RefCell::new(read);
    let mut read_file = |path: &Path| {
        read.borrow_mut().push(path.to_owned());
        fs::read_to_string(path)
    };
    let (config, warnings, effective) = validate(&texts, problems, &mut read_file, record)?;
    let loaded = Loaded {
        config,
        warnings,
        files: read.into_inner(),
        overrides,
    };
    Ok((loaded, effective))
}

/// The pure part, but for `read_file`: texts to configuration.
fn validate(
    texts: &Texts,
    mut problems: Found,
    read_file: &mut dyn FnMut(&Path) -> io::Result<String>,
    record: Record,
) -> Result<(Config, Vec<Problem>, Effective), Problems> {
    let mut table = Table::default();
    for (file, text) in texts.files.iter().enumerate() {
        tree::merge(&mut table, tree::parse(&text.content, file, &mut problems));
    }
    // With a file missing or half-read, the rest would tell of problems that there are not.
    if !problems.is_empty() {
        return Err(Problems(problems.into_problems(texts)));
    }
    tree::merge(&mut table, env::layer(texts, &mut problems));
    let mut reader = Reader {
        texts,
        read_file,
        problems,
        warnings: Found::default(),
        record,
    };
    match reader.root(&table, sections::read) {
        Some(config) if reader.problems.is_empty() => Ok((
            config,
            reader.warnings.into_problems(texts),
            reader.record.into_effective(texts),
        )),
        _ => Err(Problems(reader.problems.into_problems(texts))),
    }
}

/// The files of all layers, while they are found.
struct Files<'s> {
    sources: &'s Sources,
    texts: Texts,
    read: Vec<PathBuf>,
    problems: Found,
}

impl Files<'_> {
    /// Reads the user's files.
    fn user(&mut self) {
        if !self.sources.files.is_empty() {
            for shown in &self.sources.files {
                self.file(shown);
            }
        } else if let Some(shown) = self.texts.variable(env::CONFIG).map(PathBuf::from) {
            self.file(&shown);
        } else if let Some(shown) = [USER_FILE, SYSTEM_FILE]
            .into_iter()
            .find(|shown| self.sources.current_dir.join(shown).exists())
        {
            self.file(Path::new(shown));
        }
    }

    /// Reads the `*.toml` of the overrides folder in the order of their names. Gives the folder.
    fn overrides(&mut self) -> PathBuf {
        let chosen = match &self.sources.overrides {
            Some(folder) => Some(folder.clone()),
            None => self.texts.variable(env::OVERRIDES).map(PathBuf::from),
        };
        let must_exist = chosen.is_some();
        let shown = chosen.unwrap_or_else(|| OVERRIDES_FOLDER.into());
        let folder = self.sources.current_dir.join(&shown);
        if must_exist || folder.exists() {
            match toml_files(&folder) {
                Ok(names) => names.iter().for_each(|name| self.file(&shown.join(name))),
                Err(error) => self.unreadable(&shown, &error),
            }
        }
        folder
    }

    fn file(&mut self, shown: &Path) {
        let path = self.sources.current_dir.join(shown);
        let content = fs::read(&path);
        self.read.push(path);
        match content.map(String::from_utf8) {
            Ok(Ok(content)) => self.text(shown, content),
            Ok(Err(error)) => {
                let valid = error.utf8_error().valid_up_to();
                let mut content = error.into_bytes();
                content.truncate(valid);
                let origin = Origin::in_file(self.texts.files.len(), valid);
                self.text(shown, String::from_utf8(content).unwrap_or_default());
                self.problems.push(origin, "not UTF-8 from here");
            }
            Err(error) => self.unreadable(shown, &error),
        }
    }

    fn unreadable(&mut self, shown: &Path, error: &io::Error) {
        let origin = Origin::file(self.texts.files.len());
        self.text(shown, String::new());
        self.problems
            .push(origin, format!("cannot be read: {error}"));
    }

    fn text(&mut self, shown: &Path, content: String) {
        let path = self.sources.current_dir.join(shown);
        let folder = path.parent().unwrap_or(&path).to_owned();
        let text = Text::new(shown.to_owned(), folder, content);
        self.texts.files.push(text);
    }
}

/// The names of a folder's `*.toml`, sorted; not the hidden ones, which editors leave behind.
fn toml_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = PathBuf::from(entry?.file_name());
        let hidden = name.as_os_str().as_encoded_bytes().starts_with(b".");
        if !hidden && name.extension().is_some_and(|ending| ending == "toml") {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}
