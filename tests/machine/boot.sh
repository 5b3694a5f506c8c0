#!/bin/bash
# boot.sh ROOT WHEELS CGROUP: systemd as process 1 of the Debian below ROOT, in namespaces of its own (also a network
# without any way out), controlled by the fresh cgroup2 folder CGROUP.
set -e
root="$1" wheels="$2"
echo $$ >"$3/cgroup.procs"
exec unshare --mount --pid --uts --ipc --net --cgroup --fork bash -c '
set -e
root="$1" wheels="$2"
mount --make-rprivate /
mount --bind "$root" "$root"
hostname mx.firma.test
ip link set lo up
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
mkdir -p "$root/wheels"
mount --bind -o ro "$wheels" "$root/wheels"
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" /sbin/init
' boot "$root" "$wheels"
