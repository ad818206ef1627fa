//! `tls = "self-signed"`: an authority of our own, and a certificate that it signs for our names.
//!
//! In: a folder that is ours alone, the names, the date. Out: files as [`TlsFiles`] name them, made
//! anew when the names change or the end is near; `tls` notices that like any other change. The
//! authority stays for years, since people import its file into browsers. RFC 5280.

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use jiff::{Span, civil::Date};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use sha2::{Digest, Sha256};

use crate::{
    config::{HostPattern, TlsFiles},
    http::sites::Sites,
};

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody made one.
    #[error("there is no certificate")]
    Absent,
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It cannot be made.
    #[error("cannot make a certificate: {0}")]
    Made(#[from] rcgen::Error),
}

/// What is in the folder.
#[derive(Debug)]
pub struct Kept {
    /// The authority's certificate, to be imported into browsers.
    pub authority: PathBuf,
    /// What the listener loads.
    pub files: TlsFiles,
}

/// The names that a certificate of ours is for: every host that we answer on, and this machine's own.
/// Aliases on plain http need none.
pub fn names<'a>(
    sites: &'a Sites,
    routes: impl Iterator<Item = &'a HostPattern>,
) -> BTreeSet<String> {
    let aliases = sites.iter().filter(|site| site.https);
    let main = aliases.chain([sites.main()]).map(|site| &site.host);
    let exact = routes.filter_map(|pattern| match pattern {
        HostPattern::Exact(host) => Some(host),
        HostPattern::Suffix(_) => None,
    });
    let hosts = exact
        .chain(main)
        .map(|host| host.as_str().trim_matches(['[', ']']).to_owned());
    let own = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    hosts.chain(own).collect()
}

/// Makes what is missing, for other names, or about to end; all files are 0600.
pub fn keep(folder: &Path, names: &BTreeSet<String>, today: Date) -> Result<Kept, Error> {
    let failed = |path: &Path, source| Error::File {
        path: path.to_owned(),
        source,
    };
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            return Err(failed(folder, source));
        }
        _ => {}
    }
    let kept = Kept {
        authority: folder.join("authority.crt"),
        files: TlsFiles {
            certificate: folder.join("server.pem"),
            key: folder.join("server.pem"),
        },
    };
    let key_file = folder.join("authority.key");
    let names: Vec<String> = names.iter().cloned().collect();
    let known = fs::read_to_string(&key_file)
        .ok()
        .filter(|text| kept.authority.exists() && lasts(text, today, LEAF_DAYS + NEAR_DAYS));
    let (key, is_new) = match known {
        Some(text) => (KeyPair::from_pem(&text)?, false),
        None => (KeyPair::generate()?, true),
    };
    let until = after(today, AUTHORITY_DAYS);
    let params = authority_params(&key, today, until);
    if is_new {
        let certificate = params.self_signed(&key)?;
        write(&kept.authority, &certificate.pem()).map_err(|e| failed(&kept.authority, e))?;
        let text = format!("until {until}\n{}", key.serialize_pem());
        write(&key_file, &text).map_err(|e| failed(&key_file, e))?;
    }
    let header = format!("for {}", names.join(" "));
    let file = &kept.files.certificate;
    let is_good = |text: &String| {
        !is_new && lasts(text, today, NEAR_DAYS) && text.lines().nth(1) == Some(header.as_str())
    };
    if fs::read_to_string(file).as_ref().is_ok_and(is_good) {
        return Ok(kept);
    }
    let issuer = Issuer::new(params, key);
    let until = after(today, LEAF_DAYS);
    let own = KeyPair::generate()?;
    let mut params = CertificateParams::new(names)?;
    let (year, month, day) = ymd(after(today, -1));
    params.not_before = date_time_ymd(year, month, day);
    let (year, month, day) = ymd(until);
    params.not_after = date_time_ymd(year, month, day);
    params
        .distinguished_name
        .push(DnType::CommonName, "labgate");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&own, &issuer)?;
    let (certificate, own) = (certificate.pem(), own.serialize_pem());
    let text = format!("until {until}\n{header}\n{certificate}{own}");
    write(file, &text).map_err(|e| failed(file, e))?;
    Ok(kept)
}

/// Its name has a part of its key's digest: browsers confuse two authorities of one name.
fn authority_params(key: &KeyPair, today: Date, until: Date) -> CertificateParams {
    let digest = Sha256::digest(key.public_key_raw());
    let tag = digest
        .iter()
        .take(4)
        .fold(0u32, |tag, byte| tag << 8 | u32::from(*byte));
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let (year, month, day) = ymd(after(today, -1));
    params.not_before = date_time_ymd(year, month, day);
    let (year, month, day) = ymd(until);
    params.not_after = date_time_ymd(year, month, day);
    params.distinguished_name = rcgen::DistinguishedName::new();
    let name = format!("labgate authority {tag:08x}");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// Whether a file whose first line is `until DATE` is good for more than so many days.
fn lasts(text: &str, today: Date, days: i64) -> bool {
    let until = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("until "));
    let until: Option<Date> = until.and_then(|date| date.parse().ok());
    until.is_some_and(|until| until > after(today, days))
}

fn after(today: Date, days: i64) -> Date {
    today.saturating_add(Span::new().days(days))
}

/// As the numbers that `date_time_ymd` takes.
fn ymd(date: Date) -> (i32, u8, u8) {
    (
        date.year().into(),
        date.month().unsigned_abs(),
        date.day().unsigned_abs(),
    )
}

/// Puts a whole file in the place of the old one; at no time others can read it.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)
}

const LEAF_DAYS: i64 = 397;
const NEAR_DAYS: i64 = 30;
const AUTHORITY_DAYS: i64 = 3650;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::listener::tls::Tls;

    fn some(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn its_names_are_those_of_https_and_of_this_machine() {
        let site = |url: &str| url.parse().unwrap();
        let aliases = [
            "https://vpn.test",
            "http://192.168.1.20:8000",
            "https://[fd00::1]",
        ];
        let sites = Sites::new(site("https://lab.test"), aliases.map(site).to_vec());
        let routes = [
            HostPattern::Exact("tool.lab.test".parse().unwrap()),
            HostPattern::Suffix("lab.test".parse().unwrap()),
        ];
        let expected = [
            "127.0.0.1",
            "::1",
            "fd00::1",
            "lab.test",
            "localhost",
            "tool.lab.test",
            "vpn.test",
        ];
        assert_eq!(names(&sites, routes.iter()), some(&expected));
    }

    #[test]
    fn a_certificate_is_kept_until_its_names_change_or_its_end_is_near() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("tls");
        let today = Date::constant(2026, 11, 21);
        let names = some(&["lab.test", "::1"]);
        let kept = keep(&folder, &names, today).unwrap();
        let read = |path: &Path| fs::read(path).unwrap();
        let (authority, first) = (read(&kept.authority), read(&kept.files.key));
        Tls::load(&kept.files).unwrap();
        for file in fs::read_dir(&folder).unwrap() {
            let mode = file.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        let again = |names: &BTreeSet<String>, days| {
            keep(&folder, names, after(today, days)).unwrap();
            read(&kept.files.key)
        };
        assert!(again(&names, 366) == first, "31 days before the end");
        let renewed = again(&names, 367);
        assert!(renewed != first, "30 days before the end");
        let other = again(&some(&["lab.test", "tool.test"]), 367);
        assert!(other != renewed, "other names");
        assert!(read(&kept.authority) == authority, "the authority stays");
        again(&names, 3300);
        assert!(
            read(&kept.authority) != authority,
            "until it would end first"
        );
        Tls::load(&kept.files).unwrap();
    }
}
