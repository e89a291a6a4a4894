//! One binary package: its files, its control data, and the `.deb` of both.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::super::{archive, notices};
use crate::{Outcome, project, run};

/// Who answers for the packages.
const MAINTAINER: &str = "the libinspire_auth developers <developers@libinspire.invalid>";
const HOMEPAGE: &str = env!("CARGO_PKG_REPOSITORY");

/// A package that is being filled.
pub(super) struct Package {
    name: String,
    control: String,
    folder: PathBuf,
}

impl Package {
    /// An empty one. `fields` are those that differ; the first line of `description` is the short one.
    pub(super) fn new(name: &str, fields: &[(&str, &str)], description: &str) -> Outcome<Self> {
        let mut control = format!("Package: {name}\nSource: libinspire-auth\nVersion: {}\n", version());
        control.push_str(&format!("Maintainer: {MAINTAINER}\nHomepage: {HOMEPAGE}\nPriority: optional\n"));
        control.push_str(&format!("Architecture: {}\n", architecture()?));
        for (field, value) in fields {
            control.push_str(&format!("{field}: {value}\n"));
        }
        control.push_str(&format!("Description: {}\n", description.replace('\n', "\n ")));
        Ok(Self { name: name.to_owned(), control, folder: project::fresh(&format!("package/deb-{name}"))? })
    }

    /// Where a file of the installed system is in the package.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    /// Moves a file or folder of `whole` here, to the same place.
    pub(super) fn take(&self, whole: &Path, path: &str) -> Outcome {
        let (from, to) = (whole.join(path), self.path(path));
        fs::create_dir_all(to.parent().unwrap_or(Path::new("/")))?;
        fs::rename(&from, &to).map_err(|error| format!("{}: {error}", from.display()).into())
    }

    /// Writes a control file beside `control`.
    pub(super) fn meta(&self, name: &str, text: &str) -> Outcome {
        archive::put(&self.folder.join("DEBIAN").join(name), text)
    }

    /// What every package has to have in `/usr/share/doc`.
    pub(super) fn document(&self, notices: &str) -> Outcome {
        let folder = self.path("usr/share/doc").join(&self.name);
        archive::put(&folder.join("copyright"), copyright()?)?;
        archive::put(&folder.join(notices::FILE), notices)?;
        let entry = format!(
            "libinspire-auth ({}) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- {MAINTAINER}  {}\n",
            version(),
            run::output(run::command("date").args([
                "--utc",
                "--rfc-email",
                "--date",
                &format!("@{}", archive::epoch())
            ]))?
            .trim(),
        );
        archive::put(&folder.join("changelog.Debian"), entry)?;
        fs::copy(project::root().join("CHANGELOG.md"), folder.join("changelog"))?;
        let mut gzip = run::command("gzip");
        run::output(gzip.args(["-9", "-n"]).args([folder.join("changelog"), folder.join("changelog.Debian")])).map(drop)
    }

    /// Makes the `.deb`.
    pub(super) fn build(&self, dist: &Path) -> Outcome<PathBuf> {
        run::output(run::command("chmod").args(["-R", "u=rwX,go=rX"]).arg(&self.folder))?;
        let sums = "find usr -type f -print0 | LC_ALL=C sort -z | xargs -0 md5sum";
        self.meta("md5sums", &run::output(run::command("sh").args(["-c", sums]).current_dir(&self.folder))?)?;
        let kilobytes =
            run::output(run::command("du").args(["-k", "-s", "--apparent-size", "usr"]).current_dir(&self.folder))?;
        let size = kilobytes.split('\t').next().unwrap_or_default();
        let control = self.control.replace("\nDescription:", &format!("\nInstalled-Size: {size}\nDescription:"));
        self.meta("control", &control.replace("${shlibs:Depends}", &self.shared_libraries()?))?;
        let file = dist.join(format!("{}_{}_{}.deb", self.name, version(), architecture()?));
        let mut build = run::command("dpkg-deb");
        build.env("SOURCE_DATE_EPOCH", archive::epoch().to_string());
        run::output(build.args(["--root-owner-group", "--build"]).arg(&self.folder).arg(&file))?;
        Ok(file)
    }

    /// Which packages the programs and libraries in here need, as dpkg-shlibdeps works it out.
    fn shared_libraries(&self) -> Outcome<String> {
        let files = run::output(run::command("find").arg("usr").args(["-type", "f"]).current_dir(&self.folder))?;
        let binaries: Vec<_> =
            files.lines().map(|file| self.folder.join(file)).filter(|file| is_dynamic(file)).collect();
        if binaries.is_empty() {
            return Ok(String::new());
        }
        // It reads debian/control of a source package: this is all that it wants of one.
        let source = project::fresh("package/deb-shlibdeps")?;
        archive::put(&source.join("debian/control"), "Source: libinspire-auth\n\nPackage: any\nArchitecture: any\n")?;
        let mut command = run::command("dpkg-shlibdeps");
        let wrote = run::output(command.arg("-O").args(binaries).current_dir(source))?;
        let depends = wrote.lines().find_map(|line| line.strip_prefix("shlibs:Depends="));
        Ok(depends.ok_or("dpkg-shlibdeps found nothing that is needed")?.to_owned())
    }
}

/// The upstream version as Debian orders it: a pre-release comes before its release.
pub(super) fn upstream() -> String {
    project::VERSION.replace('-', "~")
}

/// The version of the packages.
pub(super) fn version() -> String {
    format!("{}-1", upstream())
}

fn architecture() -> Outcome<String> {
    Ok(run::output(run::command("dpkg").arg("--print-architecture"))?.trim().to_owned())
}

fn is_dynamic(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    !name.ends_with(".a") && fs::read(file).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF"))
}

/// The machine-readable form. Debian has the Apache license in every system; MIT's is written out.
fn copyright() -> Outcome<String> {
    let mit = fs::read_to_string(project::root().join("LICENSE-MIT"))?;
    let owner = mit.lines().find(|line| line.starts_with("Copyright")).ok_or("LICENSE-MIT names no owner")?;
    let terms = mit.split_once(owner).map_or("", |(_, terms)| terms).trim();
    let terms: String = terms.lines().map(|line| format!(" {}\n", if line.is_empty() { "." } else { line })).collect();
    Ok(format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nSource: {HOMEPAGE}\n\
         Comment: What is linked in has its terms in {}.\n\nFiles: *\nCopyright: {}\nLicense: Expat or Apache-2.0\n\n\
         License: Expat\n{terms}\nLicense: Apache-2.0\n On Debian the text is in /usr/share/common-licenses/Apache-2.0.\n",
        notices::FILE,
        owner.trim_start_matches("Copyright").trim_start_matches(" (c)").trim(),
    ))
}
