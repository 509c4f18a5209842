//! The simulated disk forgets what it may, and nothing else.

use super::*;
use crate::fs::write_full;

fn path(name: &str) -> PathBuf {
    Path::new("/d").join(name)
}

#[test]
fn unsynced_bytes_are_lost_by_sector_and_synced_ones_never() {
    let (mut lost, mut kept, mut torn) = (0, 0, 0);
    for seed in 0..200 {
        let sim = Sim::new(seed);
        let file = sim.open(&path("a"), Open::CreateNew).unwrap();
        write_full(&*file, &[1; 1000], 0).unwrap();
        file.sync_data().unwrap();
        sim.sync_dir(Path::new("/d")).unwrap();
        write_full(&*file, &[2; 2000], 1000).unwrap();
        sim.power_loss();
        assert!(file.size().is_err(), "a handle outlived its machine");
        let bytes = sim.contents(&path("a")).unwrap();
        assert!(bytes[..1000].iter().all(|&b| b == 1), "seed {seed}: synced bytes were lost");
        match bytes[1000..].iter().filter(|&&b| b == 2).count() {
            0 => lost += 1,
            2000 => kept += 1,
            _ => torn += 1,
        }
    }
    assert!(lost > 10 && kept > 10 && torn > 10, "lost {lost} kept {kept} torn {torn}");
}

#[test]
fn a_name_is_safe_only_after_its_directory_was_synced() {
    let mut lost = 0;
    for seed in 0..100 {
        let sim = Sim::new(seed);
        let file = sim.open(&path("a"), Open::CreateNew).unwrap();
        file.sync_data().unwrap();
        let dir = Path::new("/d");
        sim.sync_dir(dir).unwrap();
        sim.rename(&path("a"), &path("b")).unwrap();
        sim.power_loss();
        assert_eq!(sim.paths().len(), 1, "a rename is one change");
        lost += usize::from(sim.contents(&path("b")).is_none());
    }
    assert!(lost > 10 && lost < 90, "lost {lost}");
}

#[test]
fn a_failed_sync_leaves_bytes_that_read_well_and_are_lost() {
    let mut lost = 0;
    for seed in 0..100 {
        let sim = Sim::new(seed);
        let file = sim.open(&path("a"), Open::CreateNew).unwrap();
        sim.sync_dir(Path::new("/d")).unwrap();
        write_full(&*file, &[7; 512], 0).unwrap();
        sim.fail_at(0, Errno::EIO);
        assert!(file.sync_data().is_err());
        file.sync_data().unwrap();
        assert_eq!(sim.contents(&path("a")).unwrap(), [7; 512]);
        sim.power_loss();
        lost += usize::from(sim.contents(&path("a")).unwrap() != [7; 512]);
    }
    assert!(lost > 10, "lost {lost}");
}

#[test]
fn a_full_disk_writes_what_fits_and_then_refuses() {
    let sim = Sim::new(1);
    let file = sim.open(&path("a"), Open::CreateNew).unwrap();
    sim.set_capacity(Some(100));
    let error = write_full(&*file, &[7; 512], 0).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert_eq!(sim.contents(&path("a")).unwrap().len(), 100);
}

#[test]
fn a_lock_is_held_until_its_guard_or_its_process_goes() {
    let sim = Sim::new(1);
    let guard = sim.lock(&path("LOCK")).unwrap();
    assert_eq!(sim.lock(&path("LOCK")).err().unwrap().kind(), io::ErrorKind::WouldBlock);
    drop(guard);
    let stale = sim.lock(&path("LOCK")).unwrap();
    sim.kill();
    let fresh = sim.lock(&path("LOCK")).unwrap();
    drop(stale);
    assert!(sim.lock(&path("LOCK")).is_err());
    drop(fresh);
}
