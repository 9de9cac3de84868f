#!/usr/bin/env bash
# A real one-node SLURM for tests: munged, slurmctld and slurmd from Debian's packages, as root, on
# loopback, without systemd. Everything it writes lies in $SLURM_TEST_FOLDER, but for three links in
# /etc/slurm: jobs lose SLURM_CONF on the way, so their configuration has to lie at its default place.
#   cluster.sh install | up | down
#   SLURM_TEST_FOLDER  state of the cluster (required)
#   SLURM_TEST_CPUS    processors the node claims (4)      SLURM_TEST_GPUS  pretended GPUs (4)
#   SLURM_TEST_PORT    first of 102 ports (26817)
set -euo pipefail
folder=${SLURM_TEST_FOLDER:?where the state of the cluster may lie}
cpus=${SLURM_TEST_CPUS:-4} gpus=${SLURM_TEST_GPUS:-4} port=${SLURM_TEST_PORT:-26817}
host=$(hostname -s)
memory=$(awk '/^MemTotal/ {print int($2 / 1024) - 512}' /proc/meminfo)
socket=$folder/munge/munge.sock
packages="slurmctld slurmd slurm-client munge"
links="slurm.conf gres.conf"
export SLURM_CONF=$folder/slurm.conf

say() { echo "cluster: $*" >&2; }

installed() { dpkg-query --show --showformat='${Status}' "$1" 2>/dev/null | grep -q "ok installed"; }

install_packages() {
    local missing="" name policy=/usr/sbin/policy-rc.d ours=no status=0
    for name in $packages; do installed "$name" || missing="$missing $name"; done
    [ -n "$missing" ] || return 0
    say "installing$missing"
    # Debian's packages start their daemons; this file forbids it while they are unpacked.
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy && ours=yes
    fi
    mkdir -p "$folder"
    { apt-get update -qq &&
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
    } >"$folder/apt.log" 2>&1 </dev/null || status=$?
    [ $ours = no ] || rm -f $policy
    [ $status = 0 ] || tail -n 20 "$folder/apt.log" >&2
    return $status
}

write_configuration() {
    mkdir -p "$folder"/{log,munge,state,spool,gpus}
    chmod 755 "$folder" "$folder/munge"
    local key=$folder/munge.key
    [ -s "$key" ] || head -c 1024 /dev/urandom >"$key"
    chmod 600 "$key"
    chown -R munge:munge "$key" "$folder/munge"
    # A GPU is a character device; a second name of /dev/null will do for being scheduled.
    local number device gres="" types=""
    rm -f "$folder/gres.conf"
    if [ "$gpus" -gt 0 ]; then
        for ((number = 0; number < gpus; number++)); do
            device=$folder/gpus/gpu$number
            [ -c "$device" ] || mknod "$device" c 1 3
        done
        echo "NodeName=$host Name=gpu File=$folder/gpus/gpu[0-$((gpus - 1))]" >"$folder/gres.conf"
        gres="Gres=gpu:$gpus" types="GresTypes=gpu"
    fi
    # Memory is watched once a second and a job over its limit is killed. Shared pages count once
    # (UsePss): Snakemake forks, and its two halves share almost everything.
    cat >"$SLURM_CONF" <<END
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
SrunPortRange=$((port + 2))-$((port + 101))
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
AuthInfo=socket=$socket
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.log
AccountingStorageType=accounting_storage/none
MailProg=/bin/true
MpiDefault=none
SwitchType=switch/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=UsePss,OverMemoryKill
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2,bf_min_age_reserve=86400
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=30
MinJobAge=7200
$types
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=$memory $gres State=UNKNOWN
PartitionName=test Nodes=$host Default=YES MaxTime=UNLIMITED State=UP
END
}

# Every daemon runs in the foreground of a session of its own: its process id is the shell's $!.
start() {
    local name=$1
    shift
    setsid "$@" >"$folder/log/$name.out" 2>&1 </dev/null &
    echo $! >"$folder/$name.started"
}

running() { # a zombie that nobody has collected yet does not run
    grep -q "^State:[[:space:]]*[^ZX[:space:]]" "/proc/$1/status" 2>/dev/null
}

wait_for() { # NAME COMMAND...: until the command succeeds, as long as the daemon lives
    local name=$1 tries
    shift
    for ((tries = 0; tries < 300; tries++)); do
        timeout 10 "$@" >/dev/null 2>&1 && return 0
        running "$(cat "$folder/$name.started")" || break
        sleep 0.1
    done
    say "$name did not come up:"
    tail -n 20 "$folder/log/$name.out" "$folder/log/$name.log" >&2 || true
    return 1
}

idle() { [ "$(sinfo --noheader --format %t)" = idle ]; }
export -f idle

up() {
    local name
    for name in $links; do
        case $(readlink "/etc/slurm/$name" || true) in
        "$folder"/*) ;;
        *) if [ -e "/etc/slurm/$name" ]; then
            say "/etc/slurm/$name is another cluster's: this machine has a SLURM of its own"
            return 1
        fi ;;
        esac
    done
    # Daemons bind to the address of the host's name: loopback.
    case $(getent ahostsv4 "$host" | awk 'NR == 1 {print $1}') in
    127.*) ;;
    *)
        say "adding 127.0.0.1 $host to /etc/hosts"
        printf '127.0.0.1 %s\n%s\n' "$host" "$(cat /etc/hosts)" >"$folder.hosts"
        cat "$folder.hosts" >/etc/hosts && rm "$folder.hosts"
        ;;
    esac
    write_configuration
    mkdir -p /etc/slurm
    for name in $links; do
        [ ! -e "$folder/$name" ] || ln -sfn "$folder/$name" "/etc/slurm/$name"
    done
    rm -f "$socket" "$socket.lock"
    start munged setpriv --reuid=munge --regid=munge --clear-groups munged --foreground \
        --key-file="$folder/munge.key" --socket="$socket" --pid-file="$folder/munge/munged.pid" \
        --log-file="$folder/munge/munged.log" --seed-file="$folder/munge/munged.seed"
    wait_for munged munge --no-input --socket="$socket"
    start slurmctld slurmctld -D -i
    wait_for slurmctld scontrol ping
    start slurmd slurmd -D
    wait_for slurmd bash -c idle
    say "up: $(sinfo --noheader --format '%N %t, %c processors, %m MB, %G')"
}

down() {
    local name number tries
    [ ! -e "$folder/slurmctld.started" ] || timeout 10 scancel --partition test 2>/dev/null || true
    for ((tries = 0; tries < 450; tries++)); do
        [ -n "$(timeout 5 squeue --noheader 2>/dev/null)" ] || break
        sleep 0.1
    done
    for name in slurmd slurmctld munged; do
        [ -e "$folder/$name.started" ] || continue
        number=$(cat "$folder/$name.started")
        rm "$folder/$name.started"
        running "$number" && [ "$(cat "/proc/$number/comm")" = "$name" ] || continue
        kill -TERM "$number"
        for ((tries = 0; tries < 200; tries++)); do
            running "$number" || break
            sleep 0.1
        done
        ! running "$number" || kill -KILL "$number"
    done
    for name in $links; do
        case $(readlink "/etc/slurm/$name" || true) in "$folder"/*) rm "/etc/slurm/$name" ;; esac
    done
    say down
}

case ${1:-} in
install) install_packages ;;
up) # not `up || ...`: that would switch errexit off inside
    set +e
    (set -e && up)
    status=$?
    [ $status = 0 ] || down
    exit $status
    ;;
down) down ;;
*) say "usage: $0 install | up | down" && exit 2 ;;
esac
