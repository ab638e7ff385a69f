//! The file of the audit trail. It only grows, by whole lines: where a write ends within a line, as
//! on a full disk, the beginning of that line is taken off again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Owner: read and write; group: read; others: nothing. The lines tell what runs where.
const MODE: u32 = 0o640;

/// What a line of the trail begins with. Anything else at the end of a file is not ours.
const BEGINNING: &[u8] = br#"{"audit":"#;

/// How much is looked at to find the last line: more than any line has.
const LONGEST_LINE: u64 = 1 << 20;

/// The file, open for lines at its end.
#[derive(Debug)]
pub(super) struct AuditFile(File);

/// Lines that are written together, and how far that has come.
#[derive(Debug)]
pub(super) struct Lines {
    bytes: Vec<u8>,
    /// How many bytes are in the file.
    written: usize,
    /// The number of the last of them.
    pub(super) last: u64,
}

impl AuditFile {
    /// Opens the file, and makes it if there is none. A line at its end that a killed process left
    /// unfinished is taken off: its message was not deleted.
    ///
    /// # Errors
    /// It cannot be opened for reading and writing.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        // Opened for reading too, a pipe does not wait for its reader.
        let file = OpenOptions::new().read(true).append(true).create(true).mode(MODE).open(path)?;
        let mut opened = Self(file);
        opened.mend()?;
        Ok(opened)
    }

    /// Writes what is left of these lines.
    ///
    /// # Errors
    /// Some of it could not be written. Then the file ends with a whole line, if the file system
    /// allows to shorten it, and what is left begins with one.
    pub(super) fn append(&mut self, lines: &mut Lines) -> io::Result<()> {
        while let Some(left) = lines.bytes.get(lines.written..).filter(|left| !left.is_empty()) {
            match self.0.write(left) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => lines.written += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.take_off(lines);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Takes the beginning of an unfinished line off the file again, to be written anew. Where that
    /// is not possible, the rest of the line will complete it.
    fn take_off(&mut self, lines: &mut Lines) {
        let begun = lines.begun();
        if begun > 0 && self.shorten(begun as u64).is_ok() {
            lines.written -= begun;
        }
    }

    /// Takes these many bytes off the end, which this process has just written.
    fn shorten(&mut self, count: u64) -> io::Result<()> {
        let (length, position) = (self.0.metadata()?.len(), self.0.stream_position()?);
        if length != position || length < count {
            // Another process has written behind them, or this is no regular file.
            return Err(ErrorKind::InvalidInput.into());
        }
        self.0.set_len(length - count)
    }

    /// Sees to it that the file ends with a whole line.
    fn mend(&mut self) -> io::Result<()> {
        let metadata = self.0.metadata()?;
        if !metadata.is_file() || metadata.len() == 0 {
            return Ok(());
        }
        let from = metadata.len().saturating_sub(LONGEST_LINE);
        self.0.seek(SeekFrom::Start(from))?;
        let mut end = Vec::new();
        (&self.0).take(LONGEST_LINE).read_to_end(&mut end)?;
        let begun = unfinished(&end);
        if begun.is_empty() {
            return Ok(());
        }
        if is_ours(begun) && self.0.set_len(metadata.len() - begun.len() as u64).is_ok() {
            return Ok(());
        }
        self.0.write_all(b"\n")
    }
}

/// Opens the file as it would be for lines, and removes it if that made it.
///
/// # Errors
/// It cannot be opened.
pub(super) fn probe(path: &Path) -> io::Result<()> {
    let is_new = !path.exists();
    OpenOptions::new().read(true).append(true).create(true).mode(MODE).open(path)?;
    if is_new { fs::remove_file(path) } else { Ok(()) }
}

impl Lines {
    /// Lines that are to be written; the last one has this number.
    pub(super) fn new(bytes: Vec<u8>, last: u64) -> Self {
        Self { bytes, written: 0, last }
    }

    /// Goes back to the beginning of a line that is not finished, since it goes to another file.
    pub(super) fn begin_line_again(&mut self) {
        self.written -= self.begun();
    }

    /// How many bytes of an unfinished line are in the file.
    fn begun(&self) -> usize {
        unfinished(self.bytes.get(..self.written).unwrap_or_default()).len()
    }
}

/// The beginning of a line behind the last whole one.
fn unfinished(bytes: &[u8]) -> &[u8] {
    bytes.rsplit(|byte| *byte == b'\n').next().unwrap_or_default()
}

/// Whether this is the beginning of a line of the trail.
fn is_ours(begun: &[u8]) -> bool {
    begun.starts_with(BEGINNING) || BEGINNING.starts_with(begun)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;

    /// A file of this name that is removed in the end.
    struct Temporary(PathBuf);

    impl Temporary {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("audit-{}-{name}.jsonl", std::process::id())))
        }

        fn text(&self) -> String {
            fs::read_to_string(&self.0).unwrap()
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            drop(fs::remove_file(&self.0));
        }
    }

    fn lines(text: &str) -> Lines {
        Lines::new(text.as_bytes().to_vec(), 1)
    }

    #[test]
    fn lines_are_added_at_the_end_of_a_file_that_others_cannot_read() {
        let file = Temporary::new("added");
        for text in ["one\n", "two\nthree\n"] {
            AuditFile::open(&file.0).unwrap().append(&mut lines(text)).unwrap();
        }
        assert_eq!(file.text(), "one\ntwo\nthree\n");
        assert_eq!(fs::metadata(&file.0).unwrap().permissions().mode() & 0o007, 0);
    }

    #[test]
    fn a_line_that_was_left_unfinished_is_taken_off() {
        let file = Temporary::new("torn");
        for torn in ["{\"au", "{\"audit\":1,\"kind\":\"st"] {
            fs::write(&file.0, format!("one\n{torn}")).unwrap();
            AuditFile::open(&file.0).unwrap().append(&mut lines("two\n")).unwrap();
            assert_eq!(file.text(), "one\ntwo\n");
        }
    }

    #[test]
    fn what_is_not_ours_at_the_end_is_kept() {
        let file = Temporary::new("foreign");
        fs::write(&file.0, "one\nsomething").unwrap();
        AuditFile::open(&file.0).unwrap().append(&mut lines("two\n")).unwrap();
        assert_eq!(file.text(), "one\nsomething\ntwo\n");
    }

    #[test]
    fn a_line_that_does_not_fit_leaves_nothing_behind() {
        let file = Temporary::new("full");
        let mut opened = AuditFile::open(&file.0).unwrap();
        let mut half = lines("one\n{\"audit\":1}\n");
        // As much as a full disk takes.
        opened.append(&mut lines("one\n{\"aud")).unwrap();
        half.written = 9;
        opened.take_off(&mut half);
        assert_eq!((file.text().as_str(), half.written), ("one\n", 4));
        opened.append(&mut half).unwrap();
        assert_eq!(file.text(), "one\n{\"audit\":1}\n");
    }

    #[test]
    fn what_another_process_wrote_is_not_taken_off() {
        let file = Temporary::new("shared");
        let mut opened = AuditFile::open(&file.0).unwrap();
        let mut half = lines("one\ntwo\n");
        opened.append(&mut lines("one\nt")).unwrap();
        half.written = 5;
        AuditFile(OpenOptions::new().append(true).open(&file.0).unwrap())
            .append(&mut lines("other\n"))
            .unwrap();
        opened.take_off(&mut half);
        assert_eq!(half.written, 5);
        assert_eq!(file.text(), "one\ntother\n");
    }

    #[test]
    fn a_device_without_space_says_so() {
        let mut full = AuditFile::open(Path::new("/dev/full")).unwrap();
        let error = full.append(&mut lines("one\n")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }
}
