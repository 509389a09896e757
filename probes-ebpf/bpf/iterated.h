/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * What iterator programs are called with. The last call of an iteration has nothing in it.
 */
#ifndef AEGIS_ITERATED_H
#define AEGIS_ITERATED_H

#include "kernel.h"

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} __attribute__((preserve_access_index));

struct bpf_iter__task_file {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
	uint32_t fd;
	struct file *file;
} __attribute__((preserve_access_index));

#endif
