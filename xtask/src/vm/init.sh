#!/bin/bash
# Runs in the guest, first as process 1. There it either makes a small system by itself or hands over to
# systemd, which starts it again as a service. Then it runs the command and reports to the host over three
# virtio ports: control (only this script holds it), stdout and stderr.
here=/usr/lib/aegis-vm

mount_filesystems() {
    # One process for all of them: under emulation every exec is felt.
    mount --all --fstab "$here/fstab"
    ip link set lo up
    echo aegis-vm >/proc/sys/kernel/hostname
}

load_modules() {
    modprobe --all virtio_pci virtio_console loop overlay
    mount -o loop "$here/scratch.img" /scratch
}

# The device of the virtio port with the given name; ports appear some time after their driver.
port() {
    local file name
    while true; do
        for file in /sys/class/virtio-ports/*/name; do
            if read -r name <"$file" && [[ $name == "$1" ]]; then
                file=${file%/name}
                echo "/dev/${file##*/}"
                return
            fi
        done
    done 2>/dev/null
}

# Ends what the command left behind, so that the pumps see the end of their pipes.
end_leftovers() {
    local process pid
    for process in /proc/[0-9]*; do
        pid=${process#/proc/}
        case $pid in 1 | $$ | "$stdout_pump" | "$stderr_pump") continue ;; esac
        # Kernel threads have no executable.
        [[ -e $process/exe ]] && kill -KILL "$pid"
    done 2>/dev/null
}

# The command writes to pipes, so that it can open /dev/stdout anew: a port can be opened only once.
run_command() {
    local -a command
    local stdout stderr
    mapfile -d '' -t command <"$here/command"
    exec {stdout}> >(exec cat >"$(port stdout)" {control}>&-)
    stdout_pump=$!
    exec {stderr}> >(exec cat >"$(port stderr)" {control}>&- {stdout}>&-)
    stderr_pump=$!
    (
        exec >&"$stdout" 2>&"$stderr" </dev/null {stdout}>&- {stderr}>&- {control}>&-
        export HOME=/root AEGIS_VM=1 LANG=C.UTF-8
        export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin
        cd /root && exec "${command[@]}"
    )
    status=$?
    exec {stdout}>&- {stderr}>&-
}

# A process that may not be killed, such as a guarded daemon, may keep a pipe open: then the pumps have had
# time to move what is in it.
drain() {
    end_leftovers
    (sleep 5 && kill "$stdout_pump" "$stderr_pump") 2>/dev/null &
    wait "$stdout_pump" "$stderr_pump"
}

# Writes /out to the disk that the host gave for it, if it gave one.
return_out() {
    local disk number
    for disk in /sys/block/nvme*; do
        read -r number <"$disk/nsid"
        [[ $number == 3 ]] || continue
        tar --create --file "/dev/${disk##*/}" --directory /out . || echo "/out is lost" >&"$control"
    done
}

if [[ $$ == 1 ]]; then
    mount_filesystems
    [[ -e $here/systemd ]] && exec /lib/systemd/systemd
fi
load_modules
mkdir -p /out
exec {control}>"$(port control)"
echo ready >&"$control"
run_command
drain
return_out
echo "exit $status" >&"$control"
# The host ends the machine now.
sleep infinity
