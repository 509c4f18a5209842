//! Scripts of random commands against what Redis 7.0 replied to the same: XADD, XDEL, XTRIM, XRANGE, XSETID, the commands of groups,
//! and after each of them XINFO, XPENDING and the bytes of DUMP.

use super::script::Script;
use super::*;

/// The seed, the limits of blocks, and the digest of 1,500 steps.
const SCRIPTS: [(u64, usize, usize, u64); 6] = [
    (1, 4096, 100, 0xb358_ac65_a390_fa56),
    (2, 300, 100, 0xb5c0_37bd_e05e_d402),
    (3, 4096, 5, 0xed5c_97c9_1d71_58da),
    (4, 0, 0, 0x91ed_528b_908c_3706),
    (5, 0, 3, 0x6948_36b1_39fb_cb70),
    (6, 500, 10, 0x6160_5e30_efb3_a199),
];

#[test]
fn scripts_have_the_replies_and_the_bytes_of_redis() {
    for (seed, node_max_bytes, node_max_entries, digest) in SCRIPTS {
        println!("seed {seed}");
        let mut script = Script::new(seed, Limits { node_max_bytes, node_max_entries });
        for _ in 0..1_500 {
            script.step();
        }
        assert_eq!(script.digest, digest, "{seed}");
    }
}
