// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * The cheapest probe there can be, for benchmarks: what the real ones cost is told in multiples of it.
 *
 * file_open            allows
 * bprm_check_security  allows
 * inode_unlink         allows
 * sys_exit             returns: the cheapest audit fallback there can be
 */
#include "kernel.h"

SEC("lsm/file_open")
int aegis_empty(uint64_t *ctx)
{
	/* allow: it only costs */
	return 0;
}

SEC("lsm/bprm_check_security")
int aegis_empty_start(uint64_t *ctx)
{
	/* allow: it only costs */
	return 0;
}

SEC("lsm/inode_unlink")
int aegis_empty_unlink(uint64_t *ctx)
{
	/* allow: it only costs */
	return 0;
}

SEC("tp_btf/sys_exit")
int aegis_empty_exit(uint64_t *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
