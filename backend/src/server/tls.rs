//! TLS: a certificate that somebody gave, or one that the server made for itself.
//!
//! No `Strict-Transport-Security` is sent: it would bind every other port of the same host name to https as well.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, DnType, KeyPair, SanType};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{Config, StartError};

/// How long a generated certificate is valid; some browsers take none that is valid for longer than 825 days.
const VALID: Duration = Duration::from_secs(730 * 24 * 3600);
/// A new one is made when the old one ends this soon.
const RENEW: Duration = Duration::from_secs(30 * 24 * 3600);

/// Where the certificate comes from.
#[derive(Debug, Clone)]
pub enum TlsSource {
    /// Made by the server and kept in its data folder.
    Generated,
    /// Files in PEM: the chain, the server's own first, and its key.
    Files {
        /// The chain.
        certificate: PathBuf,
        /// The private key.
        key: PathBuf,
    },
}

/// What connections are encrypted with.
pub(super) struct Tls {
    pub(super) acceptor: TlsAcceptor,
    /// SHA-256 of the server's certificate, as browsers show it.
    pub(super) fingerprint: String,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

/// Reads or makes the certificate of a server; nothing where it speaks http.
pub(super) fn prepare(config: &Config) -> Result<Option<Tls>, StartError> {
    let (certificate, key) = match &config.tls {
        None => return Ok(None),
        Some(TlsSource::Files { certificate, key }) => (certificate.clone(), key.clone()),
        Some(TlsSource::Generated) => generated(config)?,
    };
    load(&certificate, &key).map(Some)
}

fn load(certificate: &Path, key: &Path) -> Result<Tls, StartError> {
    let cannot = |file: &Path, what: &str, error: &dyn std::fmt::Display| {
        StartError::Usage(format!("{} cannot be read as {what} in PEM: {error}", file.display()))
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|e| cannot(certificate, "a certificate", &e))?;
    let Some(own) = chain.first() else { return Err(cannot(certificate, "a certificate", &"it has none")) };
    let fingerprint = fingerprint(own);
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| cannot(key, "a private key", &e))?;
    let fits = |e: tokio_rustls::rustls::Error| {
        let (certificate, key) = (certificate.display(), key.display());
        StartError::Usage(format!("{certificate} and {key} do not work together: {e}"))
    };
    // Named, because a program with several providers of cryptography panics at their default.
    let versions = ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_safe_default_protocol_versions();
    let mut settings = versions.map_err(fits)?.with_no_client_auth().with_single_cert(chain, private).map_err(fits)?;
    settings.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Tls { acceptor: TlsAcceptor::from(Arc::new(settings)), fingerprint })
}

fn fingerprint(certificate: &CertificateDer<'_>) -> String {
    let digest = ::ring::digest::digest(&::ring::digest::SHA256, certificate.as_ref());
    digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(":")
}

/// The files of the server's own certificate, made when there is none for these names or it ends soon.
fn generated(config: &Config) -> Result<(PathBuf, PathBuf), StartError> {
    let folder = config.data_dir.join("tls");
    let (certificate, key, names_file) = (folder.join("certificate.pem"), folder.join("key.pem"), folder.join("names"));
    let names = names(config);
    let listed = names.join("\n");
    let age = fs::metadata(&certificate).and_then(|m| m.modified()).ok().and_then(|at| SystemTime::now().duration_since(at).ok());
    let is_current = age.is_some_and(|age| age < VALID - RENEW) && key.exists();
    if is_current && fs::read_to_string(&names_file).is_ok_and(|kept| kept == listed) {
        return Ok((certificate, key));
    }
    let cannot = |e: &dyn std::fmt::Display| StartError::Usage(format!("no certificate could be made in {}: {e}", folder.display()));
    let (chain, private) = make(&names).map_err(|e| cannot(&e))?;
    fs::create_dir_all(&folder)
        .and_then(|()| write_private(&key, private.as_bytes()))
        .and_then(|()| fs::write(&certificate, chain))
        .and_then(|()| fs::write(&names_file, &listed))
        .map_err(|e| cannot(&e))?;
    Ok((certificate, key))
}

/// Everything by which browsers may reach the server, without ports.
fn names(config: &Config) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".into(), "::1".into()];
    let given = config.allow_hosts.iter().map(|host| {
        let without_port = host.rsplit_once(':').filter(|(name, port)| !name.contains(':') && port.parse::<u16>().is_ok());
        without_port.map_or(host.as_str(), |(name, _)| name).trim_matches(['[', ']'])
    });
    for name in [config.host.as_str()].into_iter().chain(given).filter(|name| !["0.0.0.0", "::"].contains(name)) {
        if !names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            names.push(name.to_lowercase());
        }
    }
    names
}

/// A certificate for the names and its key, both in PEM.
fn make(names: &[String]) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    for name in names {
        params.subject_alt_names.push(match name.parse::<IpAddr>() {
            Ok(ip) => SanType::IpAddress(ip),
            Err(_) => SanType::DnsName(name.as_str().try_into()?),
        });
    }
    params.distinguished_name.push(DnType::CommonName, "Eigenscope, self-signed");
    let now = SystemTime::now();
    // An hour for clocks that are late.
    params.not_before = (now - Duration::from_secs(3600)).into();
    params.not_after = (now + VALID).into();
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// Writes a file that only its owner reads.
pub(super) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    use io::Write as _;
    // A file that is there keeps its mode: it is made anew.
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(folder: &Path) -> Config {
        Config { tls: Some(TlsSource::Generated), ..Config::new(folder.into(), "e".into()) }
    }

    #[test]
    fn a_generated_certificate_is_kept_until_its_names_change() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = config(folder.path());
        let fingerprint = |config: &Config| prepare(config).expect("a certificate").expect("TLS").fingerprint;
        let first = fingerprint(&config);
        assert_eq!((first.len(), first.split(':').count()), (95, 32), "{first}");
        assert_eq!(fingerprint(&config), first, "kept");
        config.allow_hosts = vec!["lab.example:8443".into(), "LOCALHOST".into()];
        assert_eq!(names(&config), ["localhost", "127.0.0.1", "::1", "lab.example"]);
        assert_ne!(fingerprint(&config), first, "made anew for a further name");
        #[cfg(unix)]
        {
            let mode =
                std::os::unix::fs::PermissionsExt::mode(&fs::metadata(folder.path().join("tls/key.pem")).expect("a key").permissions());
            assert_eq!(mode & 0o777, 0o600, "the key is its owner's");
        }
    }

    #[test]
    fn files_that_are_no_certificates_are_refused_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let (a, b) = (folder.path().join("a.pem"), folder.path().join("b.pem"));
        let refusal = |a: &Path, b: &Path| load(a, b).expect_err("refused").to_string();
        assert!(refusal(&a, &b).contains("a.pem cannot be read as a certificate"), "{}", refusal(&a, &b));
        fs::write(&a, "text").expect("written");
        assert!(refusal(&a, &b).contains("it has none"), "{}", refusal(&a, &b));
        let ((chain, _), (_, other)) = (make(&["a".into()]).expect("made"), make(&["a".into()]).expect("made"));
        fs::write(&a, chain).and_then(|()| fs::write(&b, other)).expect("written");
        assert!(refusal(&a, &b).contains("do not work together"), "{}", refusal(&a, &b));
    }
}
