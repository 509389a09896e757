/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * What processes were started from. It is recorded when the kernel starts a program, handed on at fork, and kept in the
 * storage of the first thread, so that nothing a process says of itself counts: what /proc/PID/exe shows can be forged.
 *
 * iter/task            each process that was there when the probes were armed is recorded, once
 */
#ifndef AEGIS_LINEAGE_H
#define AEGIS_LINEAGE_H

#include "iterated.h"
#include "name.h"

struct {
	__uint(type, MAP_TASK_STORAGE);
	__uint(map_flags, MAP_NO_PREALLOC);
	__type(key, int);
	__type(value, struct aegis_lineage);
} lineages SEC(".maps");

/* The record of the process that runs; NULL if there is none. */
static __always_inline struct aegis_lineage *lineage_of_current(uint64_t flags)
{
	return bpf_task_storage_get(&lineages, bpf_get_current_task_btf()->group_leader, NULL, flags);
}

/* Fills in what the current process was started from, and returns the flags of the record: zeros where nothing is known. */
static __always_inline uint32_t executable_of_current(struct aegis_object_key *executable)
{
	const struct aegis_lineage *lineage = lineage_of_current(0);
	const struct aegis_object_key none = {};
	const uint32_t flags = lineage ? lineage->flags : 0;

	*executable = lineage && flags & AEGIS_LINEAGE_KNOWN ? lineage->exe.file : none;
	return flags;
}

/* Fills in what something is started from: the file, and the name by which it was reached. Returns 0, or -1 if the name
 * cannot be read. */
AEGIS_SUBPROGRAM int describe_image(uint64_t address, struct aegis_image *image)
{
	const struct aegis_identity *self = bpf_map_lookup_elem(&identity, &first);
	const struct file *file = (const void *)address;
	const struct dentry *dentry = READ(file, f_path.dentry);
	struct aegis_slot_key key = {};

	/* The caller passes no NULL, and an array's only element is always there; the verifier does not know it. */
	if (!image || !self)
		return -1;
	identify(&image->file, READ(file, f_inode));
	image->name = 0;
	/* It has no name: it is in no directory. */
	if (READ(dentry, d_parent) == dentry)
		return 0;
	if (name_key((uint64_t)dentry, &key))
		return -1;
	image->name = aegis_slot_number(&key, self->name_key);
	return 0;
}

/* Looks for a file among the ancestors. */
struct known_ancestor {
	const struct aegis_lineage *lineage;
	struct aegis_image image;
	int is_there;
};

static long known_ancestor_step(uint64_t number, struct known_ancestor *search)
{
	const struct aegis_image *known;

	if (number >= AEGIS_LINEAGE)
		return 1;
	known = &search->lineage->ancestors[number];
	search->is_there = known->file.ino == search->image.file.ino && known->file.dev == search->image.file.dev &&
			   known->file.inode_generation == search->image.file.inode_generation &&
			   known->name == search->image.name;
	return search->is_there;
}

/* Remembers a file as that of an ancestor, unless it is remembered already. */
static __always_inline void add_ancestor(struct aegis_lineage *lineage, const struct aegis_image *image)
{
	struct known_ancestor search = { .lineage = lineage, .image = *image };
	uint32_t at = lineage->count;

	/* What the kernel started. */
	if (!image->file.ino)
		return;
	aegis_loop(at, known_ancestor_step, &search);
	if (search.is_there)
		return;
	/* The value that is compared is the one that is used: older verifiers lose the bounds otherwise. */
	asm volatile("" : "+r"(at));
	if (at >= AEGIS_LINEAGE) {
		lineage->flags |= AEGIS_LINEAGE_CUT;
		return;
	}
	lineage->ancestors[at] = *image;
	lineage->count = at + 1;
}

/* Records that the current process is now what was started. Without memory for it, what is not recorded is unknown. */
AEGIS_SUBPROGRAM int record_exec(uint64_t file)
{
	struct aegis_lineage *lineage = lineage_of_current(STORAGE_CREATE);
	uint32_t flags;

	if (!lineage)
		return 0;
	/* From whom it descends is not known if nothing was recorded of it. */
	if (lineage->flags & AEGIS_LINEAGE_KNOWN)
		add_ancestor(lineage, &lineage->exe);
	else
		lineage->flags |= AEGIS_LINEAGE_CUT;
	flags = lineage->flags & ~(AEGIS_LINEAGE_UNPROVEN | AEGIS_LINEAGE_KNOWN);
	if (lineage->flags & AEGIS_LINEAGE_UNPROVEN)
		flags |= AEGIS_LINEAGE_ANCESTORS_UNPROVEN;
	/* One without a name that can be read is unknown: rules that name it must not lose it. */
	if (!describe_image(file, &lineage->exe))
		flags |= AEGIS_LINEAGE_KNOWN;
	lineage->flags = flags;
	return 0;
}

/* Hands on what is recorded to a new process. */
static __always_inline void record_fork(struct task_struct *child)
{
	const struct aegis_lineage *parent = lineage_of_current(0);
	const int is_kernel = bpf_get_current_task_btf()->flags & PF_KTHREAD;
	struct aegis_lineage *own;

	/* Nothing is known, and stays unknown. */
	if (!parent && !is_kernel)
		return;
	own = bpf_task_storage_get(&lineages, child, NULL, STORAGE_CREATE);
	if (!own)
		return;
	if (parent && !bpf_probe_read_kernel(own, sizeof(*own), parent))
		return;
	/* Started by the kernel: until it executes something, it has no executable. */
	if (!parent)
		own->flags = AEGIS_LINEAGE_KNOWN;
}

/* Those from whom a process descends, when the probes are armed. */
struct descent {
	struct aegis_lineage *lineage;
	const struct task_struct *task;
};

static long descent_step(uint64_t number, struct descent *descent)
{
	const struct task_struct *parent = READ(READ(descent->task, real_parent), group_leader);
	const struct file *file;
	struct aegis_image image = {};

	if (!parent || parent == descent->task || number >= AEGIS_LINEAGE)
		return 1;
	descent->task = parent;
	file = READ(READ(parent, mm), exe_file);
	if (!file)
		return 0;
	if (describe_image((uint64_t)file, &image))
		descent->lineage->flags |= AEGIS_LINEAGE_CUT;
	add_ancestor(descent->lineage, &image);
	return 0;
}

/* Records a process that was there before the probes, as far as it can be told. What the hooks have recorded meanwhile
 * stays. */
static __always_inline void record_found(struct task_struct *task)
{
	struct descent descent = { .task = task };
	const struct file *file = READ(READ(task, mm), exe_file);
	struct aegis_lineage *lineage = bpf_task_storage_get(&lineages, task, NULL, STORAGE_CREATE);

	if (!lineage || lineage->flags & AEGIS_LINEAGE_KNOWN)
		return;
	descent.lineage = lineage;
	aegis_loop(AEGIS_LINEAGE + 1, descent_step, &descent);
	lineage->flags |= AEGIS_LINEAGE_UNPROVEN | AEGIS_LINEAGE_ANCESTORS_UNPROVEN;
	/* A process that ends has no memory, and no executable, any more. */
	if (file && !describe_image((uint64_t)file, &lineage->exe))
		lineage->flags |= AEGIS_LINEAGE_KNOWN;
}

SEC("iter/task")
int aegis_record_processes(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	/* The last call of an iteration has no task. Threads of the kernel are known by themselves. */
	if (task && task->group_leader == task && !(task->flags & PF_KTHREAD))
		record_found(task);
	return 0;
}

#endif
