/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-3-Clause) */
/*
 * The path of a file as the process that uses it would see it. bpf_d_path() may not be called from this hook, so this
 * walks dentries and mounts as d_path does, from the file to the process's root, and writes the path from its end.
 */
#ifndef CRYPTNONO_BPF_LIB_PATH_H
#define CRYPTNONO_BPF_LIB_PATH_H

#include "../api/exec.h"
#include "loop.bpf.h"
#include "task.bpf.h"

#define PATH_NAME_MAX 255

/* `text` holds the path in [begin, EXEC_PATH_MAX); the room behind is for the verifier, which bounds a name by 255
 * only. */
struct path_buffer {
	__u8 text[EXEC_PATH_MAX + PATH_NAME_MAX + 1];
};

struct path_walk {
	struct path_buffer *buffer;
	struct dentry *dentry;
	struct mount *mount;
	struct dentry *mount_root;
	struct dentry *root_dentry;
	struct vfsmount *root_mount;
	__u32 begin;
	bool done; /* the root was reached: nothing is missing */
};

/* From the root of a mount to the place where it is mounted. Returns false if there is none. */
static __always_inline bool leave_mount(struct path_walk *walk)
{
	/* A local, because BPF_CORE_READ would try to relocate the fields of path_walk too. */
	struct mount *mount = walk->mount;
	struct mount *above = BPF_CORE_READ(mount, mnt_parent);

	if (above == mount)
		return false;
	walk->dentry = BPF_CORE_READ(mount, mnt_mountpoint);
	walk->mount = above;
	walk->mount_root = BPF_CORE_READ(above, mnt.mnt_root);
	return true;
}

static int path_step(__u32 index, struct path_walk *walk)
{
	struct dentry *dentry = walk->dentry;
	struct mount *mount = walk->mount;
	struct dentry *parent;
	__u32 length;

	if (dentry == walk->root_dentry && &mount->mnt == walk->root_mount) {
		walk->done = true;
		return 1;
	}
	if (dentry == walk->mount_root) {
		walk->done = !leave_mount(walk);
		return walk->done;
	}
	parent = BPF_CORE_READ(dentry, d_parent);
	if (parent == dentry) { /* in no directory: a memfd */
		walk->done = true;
		return 1;
	}
	length = BPF_CORE_READ(dentry, d_name.len) & PATH_NAME_MAX;
	/* One byte is left free: the length of a full buffer would be masked to nothing. */
	if (walk->begin <= length + 1)
		return 1;
	walk->begin -= length;
	bpf_probe_read_kernel(&walk->buffer->text[walk->begin & (EXEC_PATH_MAX - 1)], length,
			      BPF_CORE_READ(dentry, d_name.name));
	walk->begin = forgotten(walk->begin - 1);
	walk->buffer->text[walk->begin & (EXEC_PATH_MAX - 1)] = '/';
	walk->dentry = parent;
	return 0;
}

/* The including file says which buffer goes with a number of its own; NULL: none. */
static __always_inline struct path_buffer *path_of(__u32 slot);

#define PATH_COMPLETE (1ULL << 32)

SUBPROGRAM __u64 write_path(__u32 slot, __u64 file_address)
{
	struct file *file = (struct file *)file_address;
	struct task_struct *task = current_task();
	struct vfsmount *mount = BPF_CORE_READ(file, f_path.mnt);
	struct path_walk walk = {
		.buffer = path_of(slot),
		.dentry = BPF_CORE_READ(file, f_path.dentry),
		.root_dentry = BPF_CORE_READ(task, fs, root.dentry),
		.root_mount = BPF_CORE_READ(task, fs, root.mnt),
		.begin = EXEC_PATH_MAX,
	};

	if (!walk.buffer)
		return EXEC_PATH_MAX;
	walk.mount = (void *)mount - bpf_core_field_offset(struct mount, mnt);
	walk.mount_root = BPF_CORE_READ(mount, mnt_root);
	loop(EXEC_PATH_DEPTH, path_step, &walk);
	return walk.begin | (walk.done ? PATH_COMPLETE : 0);
}

/* Writes the path of `file` into the buffer of `slot`; returns where it begins. *complete says whether the root was
 * reached. */
static __always_inline __u32 resolve_path(__u32 slot, struct file *file, bool *complete)
{
	__u64 written = write_path(slot, (__u64)file);

	*complete = written & PATH_COMPLETE;
	return written;
}

#define S_IWGRP 00020
#define S_IWOTH 00002
#define FUSE_SUPER_MAGIC 0x65735546

/* Could anybody but root have written this file? A FUSE server can claim any owner, so its files do not count. */
static __always_inline bool file_trusted(struct file *file)
{
	struct inode *inode = BPF_CORE_READ(file, f_inode);

	return BPF_CORE_READ(inode, i_uid.val) == 0 && !(BPF_CORE_READ(inode, i_mode) & (S_IWGRP | S_IWOTH)) &&
	       BPF_CORE_READ(inode, i_sb, s_magic) != FUSE_SUPER_MAGIC;
}

#endif
