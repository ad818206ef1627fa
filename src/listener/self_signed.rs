//! `tls = "self-signed"`: an authority of our own, and a certificate that it signs for our names.
//!
//! In: a folder that is ours alone, the names, the date. Out: files as [`TlsFiles`] name them, made
//! anew when the names change or the end is near; `tls` notices that like any other change. The
//! authority stays for years, since people import its file into browsers; it may sign for the names
//! that it was made for and for those below them, and nothing else. RFC 5280.

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    net::IpAddr,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use jiff::{Span, civil::Date};
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, date_time_ymd,
};
use sha2::{Digest, Sha256};

use crate::{
    config::{HostPattern, TlsFiles},
    http::{site::Host, sites::Sites},
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
/// Aliases on plain http need none. Of a pattern's hosts those with one label more, as certificates
/// have it (RFC 9525 §6.3).
pub fn names<'a>(
    sites: &'a Sites,
    routes: impl Iterator<Item = &'a HostPattern>,
) -> BTreeSet<String> {
    let bare = |host: &Host| host.as_str().trim_matches(['[', ']']).to_owned();
    let aliases = sites.iter().filter(|site| site.https);
    let main = aliases.chain([sites.main()]).map(|site| bare(&site.host));
    let hosts = routes.map(|pattern| match pattern {
        HostPattern::Exact(host) => bare(host),
        HostPattern::Suffix(host) => format!("*.{host}"),
    });
    let own = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    hosts.chain(main).chain(own).collect()
}

/// Makes what is missing, for other names, or about to end; all files are 0600.
///
/// The authority stays for as long as the names are among those that it was made for, or below them.
pub fn keep(folder: &Path, names: &BTreeSet<String>, today: Date) -> Result<Kept, Error> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => {
            return Err(failed(folder)(source));
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
    let authority = Authority::kept(&folder.join("authority.key"), names, today)?;
    if read(&kept.authority)?.as_ref() != Some(&authority.certificate) {
        write(&kept.authority, &authority.certificate)?;
        let file = kept.authority.display();
        tracing::warn!(%file, "this authority is new; import it into browsers");
    }
    let file = &kept.files.certificate;
    let purpose = format!("{} by {}", joined(names), authority.name);
    let is_good = |saved: &Saved<'_>| saved.lasts(today, NEAR_DAYS) && saved.purpose == purpose;
    let text = read(file)?;
    if text
        .as_deref()
        .and_then(Saved::parse)
        .is_some_and(|saved| is_good(&saved))
    {
        return Ok(kept);
    }
    let until = after(today, LEAF_DAYS);
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.iter().cloned().collect::<Vec<_>>())?;
    set_validity(&mut params, today, until);
    params
        .distinguished_name
        .push(DnType::CommonName, "labgate");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&key, &authority.issuer)?;
    let pem = key.serialize_pem() + &certificate.pem();
    write(file, &saved(until, &purpose, &pem))?;
    Ok(kept)
}

/// What signs, for a few names only.
struct Authority {
    name: String,
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// The one in `file`, or a new one in its place where that will not do. A file that cannot be read
    /// is an error, since browsers would have to be told of a new one.
    fn kept(file: &Path, names: &BTreeSet<String>, today: Date) -> Result<Self, Error> {
        let text = read(file)?;
        let known = text
            .as_deref()
            .and_then(Saved::parse)
            .filter(|known| known.lasts(today, LEAF_DAYS + NEAR_DAYS) && known.covers(names));
        if let Some(known) = known {
            let key = KeyPair::from_pem(known.pem)?;
            let start = known.pem.find(BEGIN_CERTIFICATE).unwrap_or_default();
            let certificate = known.pem.get(start..).unwrap_or_default().to_owned();
            return Self::new(key, |_, _| Ok(certificate));
        }
        let until = after(today, AUTHORITY_DAYS);
        let key = KeyPair::generate()?;
        let secret = key.serialize_pem();
        let authority = Self::new(key, |mut params, key| {
            set_validity(&mut params, today, until);
            params.name_constraints = Some(only_for(names));
            Ok(params.self_signed(key)?.pem())
        })?;
        let pem = secret + &authority.certificate;
        write(file, &saved(until, &joined(names), &pem))?;
        Ok(authority)
    }

    /// Its name has a part of its key's digest: browsers confuse two authorities of one name.
    fn new(
        key: KeyPair,
        certificate: impl FnOnce(CertificateParams, &KeyPair) -> Result<String, rcgen::Error>,
    ) -> Result<Self, Error> {
        let digest = Sha256::digest(key.public_key_raw());
        let tag = digest
            .iter()
            .take(4)
            .fold(0u32, |tag, byte| tag << 8 | u32::from(*byte));
        let name = format!("labgate authority {tag:08x}");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, &name);
        Ok(Self {
            name,
            certificate: certificate(params.clone(), &key)?,
            issuer: Issuer::new(params, key),
        })
    }
}

/// What browsers believe an authority about: whoever steals its key signs for no other site with it
/// (RFC 5280 §4.2.1.10). Names below these are meant as well.
fn only_for(names: &BTreeSet<String>) -> NameConstraints {
    let subtree = |name: &String| match name.parse::<IpAddr>() {
        Ok(address @ IpAddr::V4(_)) => {
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, 32))
        }
        Ok(address @ IpAddr::V6(_)) => {
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, 128))
        }
        Err(_) => GeneralSubtree::DnsName(without_pattern(name).to_owned()),
    };
    NameConstraints {
        permitted_subtrees: names.iter().map(subtree).collect(),
        excluded_subtrees: Vec::new(),
    }
}

fn without_pattern(name: &str) -> &str {
    name.strip_prefix("*.").unwrap_or(name)
}

/// A file of ours: two lines of what it is, then PEM.
struct Saved<'a> {
    until: Date,
    /// The names that it is for.
    purpose: &'a str,
    pem: &'a str,
}

fn saved(until: Date, purpose: &str, pem: &str) -> String {
    format!("until {until}\nfor {purpose}\n{pem}")
}

impl<'a> Saved<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (until, rest) = text.strip_prefix("until ")?.split_once('\n')?;
        let (purpose, pem) = rest.strip_prefix("for ")?.split_once('\n')?;
        Some(Self {
            until: until.parse().ok()?,
            purpose,
            pem,
        })
    }

    /// Whether it is good for more than so many days.
    fn lasts(&self, today: Date, days: i64) -> bool {
        self.until > after(today, days)
    }

    /// Whether an authority for these names may sign for those.
    fn covers(&self, names: &BTreeSet<String>) -> bool {
        names.iter().all(|name| {
            let name = without_pattern(name);
            self.purpose.split(' ').map(without_pattern).any(|limit| {
                let below = name
                    .strip_suffix(limit)
                    .and_then(|labels| labels.strip_suffix('.'));
                name == limit || below.is_some()
            })
        })
    }
}

fn joined(names: &BTreeSet<String>) -> String {
    names
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

fn set_validity(params: &mut CertificateParams, today: Date, until: Date) {
    let time = |date: Date| {
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
        date_time_ymd(date.year().into(), month, day)
    };
    // Clocks of clients are late at times.
    params.not_before = time(after(today, -1));
    params.not_after = time(until);
}

fn after(today: Date, days: i64) -> Date {
    today.saturating_add(Span::new().days(days))
}

/// `None`: there is none.
fn read(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        text => text.map(Some).map_err(failed(path)),
    }
}

/// Puts a whole file in the place of the old one; at no time others can read it.
fn write(path: &Path, text: &str) -> Result<(), Error> {
    let new = path.with_extension("new");
    let written = || {
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
    };
    written().map_err(failed(path))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    |source| Error::File { path, source }
}

const BEGIN_CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";
const LEAF_DAYS: i64 = 397;
const NEAR_DAYS: i64 = 30;
const AUTHORITY_DAYS: i64 = 3650;

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt, sync::Arc, time::Duration};

    use rustls::client::{WebPkiServerVerifier, danger::ServerCertVerifier};
    use rustls_pki_types::{CertificateDer, UnixTime, pem::PemObject};

    use super::*;
    use crate::{listener::tls::Tls, wire::provider};

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
            "*.lab.test",
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
        let other = again(&some(&["lab.test", "tool.lab.test", "*.lab.test"]), 367);
        assert!(other != renewed, "other names");
        assert!(read(&kept.authority) == authority, "the authority stays");
        again(&names, 3300);
        assert!(
            read(&kept.authority) != authority,
            "until it would end first"
        );
        Tls::load(&kept.files).unwrap();
    }

    /// What a client that believes the authority in `kept` says of its certificate for `name`.
    fn believed(kept: &Kept, name: &str) -> Result<(), rustls::Error> {
        let mut roots = rustls::RootCertStore::empty();
        let root = CertificateDer::from_pem_file(&kept.authority).unwrap();
        roots.add(root).unwrap();
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
        let leaf = CertificateDer::from_pem_file(&kept.files.certificate).unwrap();
        let name = name.to_owned().try_into().unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_795_305_600));
        let checks = builder.build().unwrap();
        let verified = checks.verify_server_cert(&leaf, &[], &name, &[], now);
        verified.map(drop)
    }

    const TODAY: Date = Date::constant(2026, 11, 22);

    #[test]
    fn a_certificate_is_for_its_names_and_a_patterns_next_label() {
        let folder = tempfile::tempdir().unwrap();
        let names = some(&["lab.test", "*.tools.test", "127.0.0.1", "::1"]);
        let kept = keep(folder.path(), &names, TODAY).unwrap();
        for name in ["lab.test", "a.tools.test", "127.0.0.1", "::1"] {
            assert_eq!(believed(&kept, name), Ok(()), "{name}");
        }
        for name in ["evil.test", "b.a.tools.test", "127.0.0.2", "::2"] {
            assert!(believed(&kept, name).is_err(), "{name}");
        }
    }

    #[test]
    fn who_has_the_authoritys_key_signs_for_no_other_site() {
        let folder = tempfile::tempdir().unwrap();
        let own = some(&["lab.test", "127.0.0.1"]);
        let kept = keep(folder.path(), &own, TODAY).unwrap();
        for (name, good) in [
            ("lab.test", true),
            ("new.lab.test", true),
            ("127.0.0.1", true),
            ("bank.test", false),
            ("evillab.test", false),
            ("127.0.0.2", false),
        ] {
            let thief = Authority::kept(&folder.path().join("authority.key"), &own, TODAY).unwrap();
            let key = KeyPair::generate().unwrap();
            let mut params = CertificateParams::new([name.to_owned()]).unwrap();
            set_validity(&mut params, TODAY, after(TODAY, 90));
            let forged = params.signed_by(&key, &thief.issuer).unwrap();
            fs::write(&kept.files.certificate, forged.pem()).unwrap();
            assert_eq!(believed(&kept, name).is_ok(), good, "{name}");
        }
    }

    #[test]
    fn a_name_that_the_authority_is_not_for_takes_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let kept = keep(folder.path(), &some(&["lab.test"]), TODAY).unwrap();
        let first = fs::read(&kept.authority).unwrap();
        let kept = keep(folder.path(), &some(&["lab.test", "other.test"]), TODAY).unwrap();
        assert!(fs::read(&kept.authority).unwrap() != first);
        assert_eq!(believed(&kept, "other.test"), Ok(()));
    }

    #[test]
    fn an_authority_that_cannot_be_read_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let kept = keep(folder.path(), &some(&["lab.test"]), TODAY).unwrap();
        let first = fs::read(&kept.authority).unwrap();
        let (key, away) = (
            folder.path().join("authority.key"),
            folder.path().join("away"),
        );
        fs::rename(&key, &away).unwrap();
        fs::create_dir(&key).unwrap();
        assert!(keep(folder.path(), &some(&["lab.test"]), TODAY).is_err());
        fs::remove_dir(&key).unwrap();
        fs::rename(&away, &key).unwrap();
        // Its certificate alone comes back.
        fs::remove_file(&kept.authority).unwrap();
        keep(folder.path(), &some(&["lab.test"]), TODAY).unwrap();
        assert!(fs::read(&kept.authority).unwrap() == first);
    }
}
