// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * The audit fallback: what is left where the kernel refuses LSM programs. It looks at operations after they have
 * succeeded, so it reports what the policy would deny, and denies nothing.
 *
 * sys_exit             the end of each system call: of those that open a file by name, and that map one as
 *                      executable memory
 * sched_process_exec   a program has been started
 * sched_process_fork   a process has been made: it takes over what is recorded of its parent
 * sched_process_exit   a process ends: the daemon is told
 *
 * Identity is that of the LSM probes: an opened file is found by its new descriptor, a mapped one in the mapping, a
 * started one in what the kernel ran. No path string is looked at, so none can be swapped meanwhile. What cannot be
 * looked at is counted as unseen. sys_exit is run for every system call of the host: it first asks for the number.
 */
#include "fallback.h"
#include "tell.h"

/* The end of the kernel's numbering for 64 bits: x32 calls are the same ones with this bit. */
#define X32_BIT 0x40000000

/* Results above are errors. */
#define ERRORS -4096UL

/* Numbers of system calls, where 32-bit programs have others (arch/x86/entry/syscalls). */
enum {
	OPEN = 2, CREAT = 85, OPENAT = 257, OPEN_BY_HANDLE = 304, MMAP = 9, MPROTECT = 10, PKEY_MPROTECT = 329,
	OPEN_32 = 5, CREAT_32 = 8, OPENAT_32 = 295, OPEN_BY_HANDLE_32 = 342, OLD_MMAP_32 = 90, MMAP_32 = 192,
	MPROTECT_32 = 125, PKEY_MPROTECT_32 = 380,
	/* The same in both. */
	OPENAT2 = 437,
};

static __always_inline int is_known(uint32_t call)
{
	switch (call) {
	case OPENAT2: case OPENAT: case OPEN: case CREAT: case OPEN_BY_HANDLE: case MMAP: case MPROTECT:
	case PKEY_MPROTECT: case OPENAT_32: case OPEN_32: case CREAT_32: case OPEN_BY_HANDLE_32: case MMAP_32:
	case OLD_MMAP_32: case MPROTECT_32: case PKEY_MPROTECT_32:
		return 1;
	}
	return 0;
}

static __always_inline int is_compat(void)
{
	return bpf_get_current_task_btf()->thread_info.status & TS_COMPAT;
}

/* The flags that openat2 was given. They are in the caller's memory, which may have changed since; what depends on
 * them is only whether opening for reading has also emptied the file. */
static __always_inline uint32_t flags_of_openat2(const void *how)
{
	uint64_t flags = 0;

	bpf_probe_read_user(&flags, sizeof(flags), how);
	return flags;
}

static __always_inline int asks_for_exec(unsigned long access)
{
	return access & PROT_EXEC ||
	       (access & PROT_READ && bpf_get_current_task_btf()->personality & READ_IMPLIES_EXEC);
}

/* The flags that an open was given, as far as they matter when it has succeeded. */
static __always_inline uint32_t flags_of(const struct pt_regs *regs, uint32_t call)
{
	switch (call) {
	case OPEN:
		return regs->si;
	case OPEN_32:
		return regs->cx;
	case OPENAT:
	case OPENAT_32:
		return regs->dx;
	case OPENAT2:
		return flags_of_openat2((const void *)regs->dx);
	}
	return 0;
}

/* What a system call has done. */
enum done { NOTHING, OPENED, MAPPED, PROTECTED };

static __always_inline enum done done(uint32_t call, int compat)
{
	switch (call) {
	case OPENAT2:
		return OPENED;
	case OPENAT:
	case OPEN:
	case CREAT:
	case OPEN_BY_HANDLE:
		return compat ? NOTHING : OPENED;
	case OPENAT_32:
	case OPEN_32:
	case CREAT_32:
	case OPEN_BY_HANDLE_32:
		return compat ? OPENED : NOTHING;
	case MMAP:
		return compat ? NOTHING : MAPPED;
	case MMAP_32:
	/* Its arguments are in memory: what it mapped tells whether it is executable. */
	case OLD_MMAP_32:
		return compat ? MAPPED : NOTHING;
	case MPROTECT:
	case PKEY_MPROTECT:
		return compat ? NOTHING : PROTECTED;
	case MPROTECT_32:
	case PKEY_MPROTECT_32:
		return compat ? PROTECTED : NOTHING;
	}
	return NOTHING;
}

SEC("tp_btf/sys_exit")
int aegis_sys_exit(uint64_t *ctx)
{
	const struct pt_regs *regs = (const struct pt_regs *)ctx[0];
	const long result = ctx[1];
	const uint32_t call = regs->orig_ax & ~X32_BIT;
	uint64_t address, bytes = 0;
	int compat;

	/* Nearly all system calls end here. */
	if (!is_known(call) || (uint64_t)result > ERRORS)
		return 0;
	compat = is_compat();
	switch (done(call, compat)) {
	case OPENED:
		opened(result, flags_of(regs, call));
		return 0;
	case MAPPED:
		if (call != OLD_MMAP_32 && !asks_for_exec(regs->dx))
			return 0;
		address = compat ? (uint32_t)result : result;
		break;
	case PROTECTED:
		if (!asks_for_exec(regs->dx))
			return 0;
		address = compat ? regs->bx : regs->di;
		bytes = compat ? regs->cx : regs->si;
		break;
	default:
		return 0;
	}
	if (asked_for(AEGIS_OPERATION_MAP_EXEC))
		mapped((uint64_t)AEGIS_HOOK_SYS_EXIT << 32 | AEGIS_OPERATION_MAP_EXEC, address, bytes, 0);
	return 0;
}

/* What an interpreter was handed as a descriptor; 0 if nothing. Read late, and in a function of its own: there is little
 * room on the stack. */
AEGIS_SUBPROGRAM uint64_t handed_to(uint64_t address)
{
	const struct linux_binprm *program = (const void *)address;
	const struct file *handed = READ(program, executable);

	return handed == READ(program, file) ? 0 : (uint64_t)handed;
}

/* Whether a program was started for something else that was named: a script. */
AEGIS_SUBPROGRAM int was_handed_by_name(uint64_t address)
{
	const struct linux_binprm *program = (const void *)address;

	return READ(program, interp) != READ(program, filename);
}

/* Asks for a program that has been started, as the one who started it. */
static __always_inline void ask_started(const struct linux_binprm *program)
{
	const struct file *file = READ(program, file);
	uint64_t handed;
	/* To be started, a program is mapped as well. */
	const uint32_t operations = AEGIS_OPERATION_EXEC | AEGIS_OPERATION_MAP_EXEC;
	const uint64_t hook = (uint64_t)AEGIS_HOOK_SCHED_EXEC << 32;

	if (!asked_for(operations))
		return;
	asked((uint64_t)file, hook | operations, 0, NO_WITNESS);
	/* What else is asked for would be taken for the answer. */
	if (aegis_self_check(NULL))
		return;
	/* The dynamic loader, in which a program begins. One without a loader begins in itself. */
	mapped(hook | operations, bpf_task_pt_regs(bpf_get_current_task_btf())->ip, 0, own_inode((uint64_t)file));
	/* What an interpreter of binfmt_misc was handed as a descriptor. */
	handed = handed_to((uint64_t)program);
	if (handed) {
		asked(handed, hook | AEGIS_OPERATION_EXEC, 0, NO_WITNESS);
	} else if (was_handed_by_name((uint64_t)program)) {
		/* A script, or what else was handed by name: by now the kernel has let go of it. Its interpreter opens
		 * it, and that is seen, as reading. */
		unseen();
	}
}

/* Records and tells what a process is now. */
AEGIS_SUBPROGRAM int became(uint64_t address)
{
	const struct linux_binprm *program = (const void *)address;
	uint64_t file = (uint64_t)READ(program, file);

	record_exec(file);
	return tell_exec(file, READ(bpf_get_current_task_btf()->mm, arg_start), READ(program, argc));
}

SEC("tp_btf/sched_process_exec")
int aegis_sched_process_exec(uint64_t *ctx)
{
	uint64_t program = 0;

	/* A plain address, which functions of their own take. */
	bpf_probe_read_kernel(&program, sizeof(program), ctx + 2);
	ask_started((const struct linux_binprm *)program);
	became(program);
	return 0;
}

SEC("tp_btf/sched_process_fork")
int aegis_sched_process_fork(uint64_t *ctx)
{
	struct task_struct *child = (struct task_struct *)ctx[1];

	/* Threads have the record of their first thread. */
	if (child->group_leader != child)
		return 0;
	record_fork(child);
	tell_fork(child);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
