//! Reading what the system has in its page cache, and nothing else: for threads that must not wait for the disk.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use nix::libc;

/// Reads at `offset` like `pread`, but only what needs no disk; `WouldBlock` when nothing at the offset is in memory. May
/// read less than asked, where what follows is not there.
#[expect(unsafe_code, reason = "nix has no preadv2")]
pub fn read_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let offset = libc::off_t::try_from(offset).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let piece = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    // SAFETY: 1. `piece` describes exactly the memory of `buf`, which is borrowed for the whole call and which any bytes may
    // be written to. 2. The descriptor is open as long as `file` is borrowed. 3. The kernel keeps neither.
    let read = unsafe { libc::preadv2(file.as_raw_fd(), &raw const piece, 1, offset, libc::RWF_NOWAIT) };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::os::Os;
    use crate::fs::{Fs, Open, write_full};

    #[test]
    fn what_was_just_written_is_in_memory_and_what_is_behind_the_end_is_nothing() {
        let path = std::env::temp_dir().join(format!("forgekv-cached-{}", std::process::id()));
        let file = Os.open(&path, Open::CreateNew).unwrap();
        write_full(&*file, b"0123456789", 0).unwrap();
        let mut buf = [0; 4];
        let read = file.read_cached_at(&mut buf, 3);
        let behind = file.read_cached_at(&mut buf.clone(), 10);
        Os.remove(&path).unwrap();
        // Some file systems refuse the question; then a thread that may wait reads.
        match &read {
            Ok(4) => assert_eq!(&buf, b"3456"),
            Ok(read) => panic!("{read} bytes"),
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock, "{error}"),
        }
        assert!(behind.is_ok_and(|read| read == 0) || read.is_err());
    }
}
