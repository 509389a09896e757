/* SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
 *
 * The probes on files and programs.
 *
 * file_open            open in all its ways, exec's own opening included; for an overlay also the real file
 * mmap_file            mapping a file as executable memory
 * file_mprotect        making an existing mapping of a file executable
 * path_truncate        truncate by path; up to 6.1 also by a descriptor, and opening with O_TRUNC
 * file_truncate        those two from 6.2 on; both have a twin in attr_hooks.h
 * bprm_check_security  starting a program, a script, an interpreter
 *
 * What was opened or mapped before the probes were armed goes on working. A program earlier in the chain that
 * denies ends the chain, so the previous return value that each hook is passed is always 0 here.
 */
#ifndef AEGIS_FILE_HOOKS_H
#define AEGIS_FILE_HOOKS_H

#include "file.h"
#include "opened.h"
#include "quick.h"

/* The bits that say the same in a file's mode and in operations. */
_Static_assert(FMODE_READ == AEGIS_OPERATION_READ && FMODE_WRITE == AEGIS_OPERATION_WRITE, "they are taken over");

/* The operations that an open asks for. */
static __always_inline uint32_t opening(uint32_t flags, uint32_t mode)
{
	uint32_t operations = mode & (FMODE_READ | FMODE_WRITE);

	/* Running a program needs no right to read it. */
	if (flags & F_FLAGS_EXEC)
		return AEGIS_OPERATION_EXEC;
	if (flags & O_TRUNC)
		operations |= AEGIS_OPERATION_WRITE | AEGIS_OPERATION_TRUNCATE;
	/* Opening to write at the end. Without the right to write the flag means nothing. */
	if (flags & O_APPEND && mode & FMODE_WRITE)
		operations |= AEGIS_OPERATION_APPEND;
	/* Access mode 3 opens a device for ioctl alone and asks for both rights: so do we. */
	return operations ?: AEGIS_OPERATION_READ | AEGIS_OPERATION_WRITE;
}

/* The one hot probe: nearly all opens end with opening_concerns(). */
SEC("lsm/file_open")
int aegis_file_open(uint64_t *ctx)
{
	const struct file *file = (const struct file *)ctx[0];
	uint32_t operations = opening(file->f_flags, file->f_mode);

	/* allow: no rule speaks against it, nor can any */
	if (!opening_concerns(file, operations))
		return 0;
	/* deny: a rule, or an error that a rule could have met */
	if (file_denied(file, operations, AEGIS_HOOK_FILE_OPEN))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

SEC("lsm/mmap_file")
int aegis_mmap_file(uint64_t *ctx)
{
	uint64_t requested = ctx[1], given = ctx[2];
	const struct file *file = NULL;

	/* allow: not executable */
	if (!((requested | given) & PROT_EXEC))
		return 0;
	/* The file is NULL for anonymous memory, but the verifier of many kernels takes it for valid and would
	 * drop a check of ctx[0]: so it is fetched as a plain address. */
	bpf_probe_read_kernel(&file, sizeof(file), ctx);
	/* allow: memory without a file */
	if (!file)
		return 0;
	/* deny: a rule, or an error that a rule could have met */
	if (file_denied(file, AEGIS_OPERATION_MAP_EXEC, AEGIS_HOOK_MMAP_FILE))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

SEC("lsm/file_mprotect")
int aegis_file_mprotect(uint64_t *ctx)
{
	const struct vm_area_struct *area = (const struct vm_area_struct *)ctx[0];
	uint64_t requested = ctx[1], given = ctx[2];
	const struct inode *inode;
	const struct file *file;
	struct path opened;

	/* allow: not executable */
	if (!((requested | given) & PROT_EXEC))
		return 0;
	file = READ(area, vm_file);
	/* allow: memory without a file */
	if (!file)
		return 0;
	opened = opened_path(file);
	inode = READ(opened.dentry, d_inode);
	/* deny: a rule on the overlay's file, or an error that a rule could have met */
	if (inode != READ(file, f_inode) &&
	    inode_denied(inode, opened.dentry, opened.mnt, AEGIS_OPERATION_MAP_EXEC, AEGIS_HOOK_FILE_MPROTECT))
		return -EPERM;
	/* deny: the same for the file itself */
	if (file_denied(file, AEGIS_OPERATION_MAP_EXEC, AEGIS_HOOK_FILE_MPROTECT))
		return -EPERM;
	/* allow: no rule speaks against either */
	return 0;
}

SEC("lsm/path_truncate")
int aegis_path_truncate(uint64_t *ctx)
{
	const struct path *path = (const struct path *)ctx[0];
	const struct dentry *dentry = READ(path, dentry);

	/* deny: a rule, or an error that a rule could have met */
	if (inode_denied(READ(dentry, d_inode), dentry, READ(path, mnt), AEGIS_OPERATION_TRUNCATE,
			 AEGIS_HOOK_PATH_TRUNCATE))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

SEC("lsm/file_truncate")
int aegis_file_truncate(uint64_t *ctx)
{
	/* deny: a rule, or an error that a rule could have met */
	if (file_denied((const struct file *)ctx[0], AEGIS_OPERATION_TRUNCATE, AEGIS_HOOK_FILE_TRUNCATE))
		return -EPERM;
	/* allow: no rule speaks against it */
	return 0;
}

SEC("lsm/bprm_check_security")
int aegis_bprm_check_security(uint64_t *ctx)
{
	struct linux_binprm *program = (struct linux_binprm *)ctx[0];
	const struct file *file = READ(program, file);
	int what = decided((uint64_t)READ(file, f_inode), (uint64_t)READ(file, f_path.dentry),
			   (uint64_t)READ(file, f_path.mnt),
			   (uint64_t)AEGIS_HOOK_BPRM_CHECK << 32 | AEGIS_OPERATION_EXEC);

	/* deny: a rule, or an error that a rule could have met */
	if (what & DENIED)
		return -EPERM;
	/* It is excepted from a rule: nobody shall make it load what he likes. */
	if (what & SECURE)
		bpf_bprm_opts_set(program, SECURE_EXEC);
	/* allow: no rule speaks against it */
	return 0;
}

#endif
