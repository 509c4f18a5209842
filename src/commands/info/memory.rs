//! `# Memory`.
//!
//! Used memory is what the keyspace, the clients' buffers and the log's buffers account for; the rest of the process (code,
//! stacks, the allocator's own) shows in `used_memory_rss`. `maxmemory` is compared with the entries alone.

use super::super::call::Call;
use super::super::memory::{difference, percent, ratio};
use super::Page;
use crate::sys;

pub(super) fn memory(call: &Call<'_>, page: &mut Page) {
    let memory = call.state.memory(call.db.held());
    let (used, resident) = (memory.used(), sys::resident_bytes());
    let peak = call.state.rates.sample_memory(used);
    let active = memory.entry_pages + memory.overhead();
    page.size("used_memory", used);
    page.size("used_memory_rss", resident);
    page.size("used_memory_peak", peak);
    page.line(format_args!("used_memory_peak_perc:{:.2}%", percent(used, peak)));
    page.fields(&[
        ("used_memory_overhead", memory.overhead()),
        ("used_memory_startup", 0),
        ("used_memory_dataset", memory.entries),
    ]);
    page.line(format_args!("used_memory_dataset_perc:{:.2}%", percent(memory.entries, used)));
    page.fields(&[
        ("allocator_allocated", used),
        ("allocator_active", active),
        ("allocator_resident", resident),
        ("allocator_muzzy", 0),
    ]);
    page.size("total_system_memory", sys::total_memory_bytes());
    scripts(call, page);
    page.size("maxmemory", call.config.maxmemory);
    page.field("maxmemory_policy", call.config.value("maxmemory-policy").unwrap_or_default());
    page.line(format_args!("allocator_frag_ratio:{:.2}", ratio(active, used)));
    page.field("allocator_frag_bytes", difference(active, used));
    page.line(format_args!("allocator_rss_ratio:{:.2}", ratio(resident, active)));
    page.field("allocator_rss_bytes", difference(resident, active));
    page.field("rss_overhead_ratio", "1.00");
    page.field("rss_overhead_bytes", 0);
    page.line(format_args!("mem_fragmentation_ratio:{:.2}", ratio(resident, used)));
    page.field("mem_fragmentation_bytes", difference(resident, used));
    page.field("mem_not_counted_for_evict", memory.overhead());
    page.zeroes(&[
        "mem_replication_backlog",
        "mem_total_replication_buffers",
        "mem_replica_full_sync_buffer",
    ]);
    page.field("mem_clients_slaves", 0);
    page.field("mem_clients_normal", memory.clients);
    page.field("mem_cluster_links", 0);
    page.field("mem_aof_buffer", memory.log_buffers);
    page.field("mem_allocator", "slab+jemalloc");
    page.zeroes(&["mem_overhead_db_hashtable_rehashing", "active_defrag_running"]);
    let (waiting, freed) = call.state.keyspace.garbage();
    page.fields(&[("lazyfree_pending_objects", waiting), ("lazyfreed_objects", freed)]);
    let counts = call.state.keyspace.counts(call.db.held());
    let (keys, cold) = counts.iter().fold((0, 0), |sums, db| (sums.0 + db.keys, sums.1 + db.cold));
    // Keys whose values are in RAM, and keys that are on disk only.
    page.fields(&[("keys_in_memory", (keys - cold) as u64), ("keys_on_disk_only", cold as u64)]);
}

/// What scripts take, of all threads.
fn scripts(call: &Call<'_>, page: &mut Page) {
    let scripting = &call.state.scripting;
    let catalog = scripting.libraries.catalog();
    let (scripts, texts) = scripting.scripts.size();
    let codes: usize = catalog.libraries.values().map(|library| library.code.len()).sum();
    let (for_scripts, for_functions) = scripting.running.memory();
    page.size("used_memory_lua", for_scripts);
    page.fields(&[
        ("used_memory_vm_eval", for_scripts),
        ("used_memory_scripts_eval", texts as u64),
        ("number_of_cached_scripts", scripts as u64),
        ("number_of_functions", catalog.functions() as u64),
        ("number_of_libraries", catalog.libraries.len() as u64),
        ("used_memory_vm_functions", for_functions),
    ]);
    page.size("used_memory_vm_total", for_scripts + for_functions);
    page.field("used_memory_functions", codes);
    page.size("used_memory_scripts", (texts + codes) as u64);
}
