//! Where reports go: a file that says its name where it cannot be written, and a standard output that may be closed early.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::context::Context;
use super::failure::Failure;
use super::reports::{Format, ReportArg};
use crate::core::suggest::did_you_mean;
use crate::core::verdict::Exit;
use crate::project::{Root, find_project};
use crate::report::Style;

/// The folders of a project in which nothing is a report.
const OWN: [&str; 3] = ["prompts", "fixtures", "snapshots"];

/// The file of a report.
pub(super) struct ReportFile {
    path: PathBuf,
    file: BufWriter<File>,
}

impl ReportFile {
    /// An open file that is called so in messages.
    pub(super) fn of(path: &Path, file: File) -> Self {
        Self { path: path.to_owned(), file: BufWriter::new(file) }
    }

    fn named(&self, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("the report {} cannot be written: {error}", self.path.display()))
    }
}

impl Write for ReportFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes).map_err(|error| self.named(&error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush().map_err(|error| self.named(&error))
    }
}

/// A standard output whose reader may go away: what is written then is lost, and the run and its other reports are not.
pub(super) struct Piped<'a> {
    out: &'a mut dyn Write,
    closed: bool,
}

impl<'a> Piped<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, closed: false }
    }

    fn unless_closed<T>(&mut self, lost: T, done: impl FnOnce(&mut dyn Write) -> io::Result<T>) -> io::Result<T> {
        if self.closed {
            return Ok(lost);
        }
        match done(self.out) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(lost)
            }
            done => done,
        }
    }
}

impl Write for Piped<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.unless_closed(bytes.len(), |out| out.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unless_closed((), |out| out.flush())
    }
}

/// The reports of a command that has several formats, opened before it does anything.
pub(super) struct Opened {
    files: Vec<(Format, ReportFile)>,
    /// What goes to standard output, where that was said.
    pub(super) on_stdout: Option<Format>,
}

impl Opened {
    /// Opens the files; `json` asks for JSON on standard output, however often that is said.
    pub(super) fn open(context: &Context, args: &[ReportArg], json: bool) -> Result<Self, Failure> {
        let mut on_stdout: Vec<Format> = args.iter().filter(|report| report.path.is_none()).map(|r| r.format).collect();
        if json && !on_stdout.contains(&Format::Json) {
            on_stdout.push(Format::Json);
        }
        if on_stdout.len() > 1 {
            return Err(Failure::usage("two reports cannot share standard output; give one of them a path"));
        }
        let opened = args.iter().map(|report| report.format).zip(open(context, args)?);
        let files = opened.filter_map(|(format, file)| Some((format, file?))).collect();
        Ok(Self { files, on_stdout: on_stdout.first().copied() })
    }

    /// Writes the files. One that cannot be written does not keep the others from it.
    pub(super) fn write_files(
        &mut self,
        write: &mut dyn FnMut(&mut dyn Write, Format) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut failed = Ok(());
        for (format, file) in &mut self.files {
            let done = write(file, *format);
            failed = failed.and(done.and_then(|()| file.flush()));
        }
        failed
    }
}

/// Writes one report in a format.
pub(super) type WriteOne<'w> = dyn FnMut(&mut dyn Write, Format, Style) -> io::Result<()> + 'w;

impl Opened {
    /// Writes all of them. A person who wants quiet is not told that all is good.
    pub(super) fn write(mut self, context: &mut Context, exit_code: u8, one: &mut WriteOne<'_>) -> Result<(), Failure> {
        let mut failed = self.write_files(&mut |out, format| one(out, format, Style::plain()));
        let on_stdout = self.on_stdout.unwrap_or(Format::Human);
        let (style, is_good) = (context.style(), exit_code == Exit::Good.code());
        if on_stdout != Format::Human || !(context.is_quiet() && is_good) {
            failed = failed.and(one(&mut Piped::new(context.out()), on_stdout, style));
        }
        unless_failed(failed)
    }
}

/// A report of one of these formats, which are all that `whose` (`costs have`) has.
pub(super) fn report_of(text: &str, formats: [Format; 3], whose: &str) -> Result<ReportArg, String> {
    let names = formats.map(Format::name);
    let name = text.split('=').next().unwrap_or_default();
    if !names.contains(&name) {
        let hint = did_you_mean(name, names);
        return Err(format!("{whose} no report format `{name}`; there are {}{hint}", names.join(", ")));
    }
    text.parse()
}

/// What of the reports could not be written, once all were tried.
pub(super) fn unless_failed(failed: io::Result<()>) -> Result<(), Failure> {
    failed.map_err(|error| Failure::Message { exit: Exit::Errored, message: error.to_string(), help: None })
}

/// Opens the file of each report, before anything else is done: what cannot be written shows at once, and nobody finds an
/// older report, whatever comes. `None` for those that go to standard output.
pub(super) fn open(context: &Context, reports: &[ReportArg]) -> Result<Vec<Option<ReportFile>>, Failure> {
    let paths: Vec<Option<&PathBuf>> = reports.iter().map(|report| report.path.as_ref()).collect();
    open_paths(context, &paths)
}

/// The same of paths.
pub(super) fn open_paths(context: &Context, paths: &[Option<&PathBuf>]) -> Result<Vec<Option<ReportFile>>, Failure> {
    let root = match find_project(context.folder()) {
        Ok(Root::Folder(root)) => root.canonicalize().ok(),
        _ => None,
    };
    let mut opened: Vec<Option<ReportFile>> = Vec::with_capacity(paths.len());
    let mut known: Vec<PathBuf> = Vec::new();
    for path in paths {
        let Some(path) = *path else {
            opened.push(None);
            continue;
        };
        let full = context.folder().join(path);
        let shown = path.display();
        let failed = |error: io::Error| Failure::usage(format!("the report {shown} cannot be written: {error}"));
        let parent = full.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(parent).map_err(failed)?;
        let parent = parent.canonicalize().map_err(failed)?;
        let real = full.canonicalize().unwrap_or_else(|_| parent.join(full.file_name().unwrap_or_default()));
        let is_own = |root: &PathBuf| {
            OWN.iter().any(|own| real.starts_with(root.join(own))) || real == root.join("promptctl.yaml")
        };
        if root.as_ref().is_some_and(is_own) {
            return Err(Failure::usage(format!("the report {shown} would take the place of the project's own files"))
                .help("write it elsewhere, such as `--report json=target/report.json`"));
        }
        // A device takes what comes, from any number of reports.
        let is_device = std::fs::metadata(&real).is_ok_and(|there| !there.is_file());
        if !is_device && known.iter().any(|known| is_same(known, &real)) {
            return Err(Failure::usage(format!("two reports cannot share {shown}; give one of them another path")));
        }
        let file = File::create(&full).map_err(failed)?;
        known.push(real);
        opened.push(Some(ReportFile::of(path, file)));
    }
    Ok(opened)
}

/// Whether two paths are one file, also by a hard link.
pub(super) fn is_same(one: &Path, other: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let id = |path: &Path| std::fs::metadata(path).ok().map(|there| (there.dev(), there.ino()));
        if let (Some(one), Some(other)) = (id(one), id(other)) {
            return one == other;
        }
    }
    one == other
}
