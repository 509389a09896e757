/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * The kernel as the probes see it: fixed-width types, the helpers that are called (numbers of
 * include/uapi/linux/bpf.h), and of each kernel struct only the fields that are read. Their offsets are
 * relocated when loading, from the BTF of the running kernel, so one object serves all of them.
 */
#ifndef AEGIS_KERNEL_H
#define AEGIS_KERNEL_H

typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;

#define NULL ((void *)0)
#define UINT32_MAX 0xffffffffU
#define UINT64_MAX 0xffffffffffffffffULL
#define SEC(name) __attribute__((section(name), used))
#define __always_inline inline __attribute__((always_inline))
/* A function of its own for the verifier, which checks it once, for any arguments of its types: states do not
 * multiply with those of its callers. */
#define AEGIS_SUBPROGRAM __attribute__((noinline))

/* Map definitions in BTF: a number is the length of an array type, a type is what a pointer points to. */
#define __uint(name, value) int(*name)[value]
#define __type(name, value) typeof(value) *name
#define __array(name, value) typeof(value) *name[]

enum { MAP_HASH = 1, MAP_ARRAY = 2, MAP_PERCPU_ARRAY = 6, MAP_LRU_HASH = 9, MAP_ARRAY_OF_MAPS = 12, MAP_RINGBUF = 27, MAP_TASK_STORAGE = 29 };
enum { ANY_ELEMENT, NEW_ELEMENT };
enum { MAP_NO_PREALLOC = 1, MAP_MMAPABLE = 1024, MAP_INNER = 4096 };

struct seq_file;
struct task_struct;
struct linux_binprm;

static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static long (*const bpf_map_update_elem)(void *map, const void *key, const void *value, uint64_t flags) = (void *)2;
static uint32_t (*const bpf_get_smp_processor_id)(void) = (void *)8;
static uint64_t (*const bpf_get_current_pid_tgid)(void) = (void *)14;
static uint64_t (*const bpf_get_current_uid_gid)(void) = (void *)15;
static long (*const bpf_get_current_comm)(void *buf, uint32_t size) = (void *)16;
static uint64_t (*const bpf_get_current_cgroup_id)(void) = (void *)80;
static long (*const bpf_probe_read_user)(void *to, uint32_t size, const void *from) = (void *)112;
static long (*const bpf_probe_read_kernel)(void *to, uint32_t size, const void *from) = (void *)113;
static long (*const bpf_probe_read_user_str)(void *to, uint32_t size, const void *from) = (void *)114;
static long (*const bpf_probe_read_kernel_str)(void *to, uint32_t size, const void *from) = (void *)115;
static long (*const bpf_send_signal)(uint32_t signal) = (void *)109;
static uint64_t (*const bpf_get_current_ancestor_cgroup_id)(int level) = (void *)123;
static uint64_t (*const bpf_ktime_get_boot_ns)(void) = (void *)125;
static long (*const bpf_seq_write)(struct seq_file *seq, const void *data, uint32_t size) = (void *)127;
static void *(*const bpf_ringbuf_reserve)(void *ring, uint64_t size, uint64_t flags) = (void *)131;
static void (*const bpf_ringbuf_submit)(void *data, uint64_t flags) = (void *)132;
static struct task_struct *(*const bpf_get_current_task_btf)(void) = (void *)158;

static void *(*const bpf_task_storage_get)(void *map, struct task_struct *task, void *value,
					   uint64_t flags) = (void *)156;
static long (*const bpf_bprm_opts_set)(struct linux_binprm *bprm, uint64_t flags) = (void *)159;
static struct pt_regs *(*const bpf_task_pt_regs)(struct task_struct *task) = (void *)175;
static long (*const bpf_find_vma)(struct task_struct *task, uint64_t address, void *step, void *context,
				  uint64_t flags) = (void *)180;
static long (*const bpf_loop)(uint32_t times, void *step, void *context, uint64_t flags) = (void *)181;

#define EPERM 1
#define O_TRUNC 01000
#define O_APPEND 02000
#define O_PATH 010000000
#define FMODE_READ 1
#define FMODE_WRITE 2
/* Set in f_flags by the kernel alone when it opens a file to run it (__FMODE_EXEC, include/linux/fs.h). */
#define F_FLAGS_EXEC 0x20
/* Open for nothing: a mere place (O_PATH). */
#define FMODE_PATH 0x4000
/* Of bpf_task_storage_get. */
#define STORAGE_CREATE 1
/* Of bpf_ringbuf_submit: whoever reads the ring looks by itself. */
#define NO_WAKEUP 1
/* Of bpf_bprm_opts_set. */
#define SECURE_EXEC 1
/* The child shares its memory and signals with the caller (include/uapi/linux/sched.h). */
#define CLONE_THREAD 0x10000
/* A thread of the kernel itself (include/linux/sched.h). */
#define PF_KTHREAD 0x00200000
/* A root that is none of its file system's: what is above it is not known (include/linux/dcache.h). */
#define DCACHE_DISCONNECTED 0x20
#define PROT_READ 1
#define PROT_EXEC 4
#define VM_EXEC 0x4
#define VM_SHARED 0x8
#define VM_MAYWRITE 0x20
/* A task for which what can be read can be executed (include/uapi/linux/personality.h). */
#define READ_IMPLIES_EXEC 0x0400000
/* The system call is one of 32-bit programs (arch/x86/include/asm/thread_info.h). */
#define TS_COMPAT 2
#define OVERLAYFS_SUPER_MAGIC 0x794c7630

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct super_block {
	uint32_t s_dev;
	unsigned long s_magic;
};

struct inode {
	struct super_block *i_sb;
	unsigned long i_ino;
	uint32_t i_generation;
};

struct qstr {
	union {
		struct {
			uint32_t hash;
			uint32_t len;
		};
		uint64_t hash_len;
	};
	const unsigned char *name;
};

struct dentry {
	uint32_t d_flags;
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	struct super_block *d_sb;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct file {
	uint32_t f_mode;
	uint32_t f_flags;
	struct path f_path;
	struct inode *f_inode;
};

/* From 6.8 on the real file below an overlay carries the path that the user opened. */
struct backing_file {
	struct file file;
	struct path user_path;
};

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	unsigned long vm_flags;
	struct file *vm_file;
};

struct linux_binprm {
	struct file *file;
	struct file *executable;
	/* Where the arguments begin, until the program is in place; after that in mm_struct. */
	unsigned long p;
	int argc;
	const char *filename;
	const char *interp;
};

struct fdtable {
	uint32_t max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

/* Of x86-64. The names are those of the native system calls. */
struct pt_regs {
	unsigned long r10;
	unsigned long bx;
	unsigned long cx;
	unsigned long dx;
	unsigned long si;
	unsigned long di;
	unsigned long orig_ax;
	unsigned long ip;
};

struct thread_info {
	uint32_t status;
};

struct ns_common {
	uint32_t inum;
};

struct mnt_namespace {
	struct ns_common ns;
};

struct user_namespace {
	struct ns_common ns;
};

struct pid_namespace {
	struct ns_common ns;
};

struct nsproxy {
	struct mnt_namespace *mnt_ns;
	struct pid_namespace *pid_ns_for_children;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	uint32_t level;
	struct upid numbers[];
};

struct kernfs_node {
	uint64_t id;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
};

struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp;
};

typedef struct {
	uint32_t val;
} kuid_t;

typedef struct {
	uint32_t val;
} kgid_t;

struct cred {
	kuid_t uid;
	kuid_t euid;
	kgid_t egid;
	struct user_namespace *user_ns;
};

typedef struct {
	int counter;
} atomic_t;

struct signal_struct {
	/* Threads that have not ended. */
	atomic_t live;
};

struct mm_struct {
	unsigned long arg_start;
	struct file *exe_file;
};

struct task_struct {
	struct thread_info thread_info;
	uint32_t personality;
	struct files_struct *files;
	int pid;
	int tgid;
	struct mm_struct *mm;
	struct signal_struct *signal;
	struct pid *thread_pid;
	uint32_t flags;
	const struct cred *real_cred;
	const struct cred *cred;
	char comm[16];
	struct css_set *cgroups;
	struct task_struct *group_leader;
	struct task_struct *real_parent;
	uint64_t start_boottime;
	struct nsproxy *nsproxy;
};

struct bpf_iter_meta {
	struct seq_file *seq;
};

#pragma clang attribute pop

/* Reads a field of a kernel struct behind a pointer that the verifier does not know; 0 where it is unreadable. */
#define READ(pointer, field)                                                                                   \
	({                                                                                                     \
		typeof(pointer) pointer__ = (pointer);                                                         \
		/* A value, not an lvalue: without the const that the struct may have. */                      \
		typeof(({ pointer__->field; })) value__ = 0;                                                   \
		bpf_probe_read_kernel(&value__, sizeof(value__), &pointer__->field);                   \
		value__;                                                                                       \
	})

/* Where a field lies in the running kernel's struct. */
#define OFFSET_OF(type, field) __builtin_preserve_field_info(((type *)0)->field, 0)

/* Whether the running kernel's struct has the field. */
#define HAS_FIELD(pointer, field) __builtin_preserve_field_info((pointer)->field, 2)

#endif
