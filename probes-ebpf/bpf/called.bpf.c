// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * Tells whether the kernel calls LSM programs: one that is built with them takes them in any case, and calls them only
 * if `bpf` is among the security modules of its command line.
 *
 * file_open            counts, and allows
 */
#include "kernel.h"

struct {
	__uint(type, MAP_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, uint64_t);
} calls SEC(".maps");

static const uint32_t first = 0;

SEC("lsm/file_open")
int aegis_called(uint64_t *ctx)
{
	uint64_t *count = bpf_map_lookup_elem(&calls, &first);

	if (count)
		__sync_fetch_and_add(count, 1);
	/* allow: it only counts */
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
