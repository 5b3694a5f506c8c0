#!/bin/bash
# enter.sh ROOT WHEELS COMMAND...: COMMAND in a Debian below ROOT, in mount and process namespaces that end with it.
set -e
root="$1" wheels="$2"
shift 2
exec unshare --mount --pid --fork --mount-proc="$root/proc" bash -c '
set -e
root="$1" wheels="$2"
shift 2
mount --make-rprivate /
mount --rbind /dev "$root/dev"
mount -t sysfs sysfs "$root/sys"
mkdir -p "$root/wheels"
mount --bind -o ro "$wheels" "$root/wheels"
exec chroot "$root" "$@"
' enter "$root" "$wheels" "$@"
