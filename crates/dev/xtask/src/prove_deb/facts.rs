//! What is proved of the package, in its order: facts, each with the shell script that fails if it is none.

/// The packages are `/packages/muster_*-1_*.deb` and a later one, `-2`.
pub(super) const FACTS: &[(&str, &str)] = &[
    (
        "it installs where no package of Debian is missing",
        "apt-get install -y /packages/muster_*-1_*.deb; test -z \"$(dpkg -V muster)\"",
    ),
    (
        "its user has no shell and no password, and its folders are closed",
        "getent passwd muster | grep ':/var/lib/muster:/usr/sbin/nologin$'
         getent shadow muster | grep '^muster:[!*]'
         test \"$(stat -c '%U:%G %a' /var/lib/muster /etc/muster | xargs)\" = 'muster:muster 700 root:muster 750'",
    ),
    (
        "every command has a manual page, and so has the configuration",
        "man --where 5 musterd.toml
         man 8 musterd | grep quickstart
         musterctl --help | awk '/^Commands:/ {on=1; next} /^$/ {on=0} on && /^  [a-z]/ && $1 != \"help\" {print $1}' > /tmp/commands
         grep -q group /tmp/commands
         while read -r command; do man --where 1 musterctl-$command; done < /tmp/commands",
    ),
    (
        "bash completes commands and their options",
        ". /usr/share/bash-completion/completions/musterctl
         complete() { COMP_WORDS=(musterctl \"$@\") COMP_CWORD=$#; _musterctl musterctl \"${@: -1}\" \"${@: -2:1}\" || true; }
         complete gro; test \"${COMPREPLY[*]}\" = group
         complete group fallback --wa; test \"${COMPREPLY[*]}\" = --wait",
    ),
    (
        "nothing starts and nothing fails without a configuration",
        "systemctl is-enabled musterd; systemctl start musterd
         test \"$(systemctl is-active musterd)\" = inactive; ! systemctl is-failed musterd",
    ),
    (
        "the unit has no mistake in it and may do little",
        "test -z \"$(systemd-analyze verify musterd.service 2>&1)\"
         systemd-analyze security --threshold=20 musterd",
    ),
    (
        "an example becomes a configuration that the node accepts",
        "cd /etc/muster
         openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 -subj /CN=example.com \
             -addext subjectAltName=DNS:example.com -out example.com.pem -keyout /root/key
         install -o muster -g muster -m 0600 /root/key example.com.key
         sed 's/a.internal.example.com/127.0.0.1/' /usr/share/doc/muster/examples/a.toml > musterd.toml
         runuser -u muster -- musterd check musterd.toml",
    ),
    (
        "a node starts as the user muster, waits for its cluster, and is ready in it",
        "systemctl start --no-block musterd
         for i in $(seq 100); do test -S /var/lib/muster/admin.sock && break; sleep 0.1; done
         test \"$(systemctl is-active musterd)\" = activating
         musterctl cluster init --domain example.com
         for i in $(seq 300); do systemctl is-active --quiet musterd && break; sleep 0.1; done
         systemctl is-active musterd
         test \"$(stat -c %U /proc/$(systemctl show -P MainPID musterd))\" = muster",
    ),
    (
        "no right is left to it, and system calls are filtered",
        "main=$(systemctl show -P MainPID musterd)
         grep -P '^CapEff:\\t0+$' /proc/$main/status
         grep -P '^NoNewPrivs:\\t1$' /proc/$main/status; grep -P '^Seccomp:\\t2$' /proc/$main/status",
    ),
    (
        // Not by LimitRTPRIO, which a sandbox may not raise, but by the right that stands for it: the filter is the same.
        "one thread of it may go before all others",
        "mkdir /run/systemd/system/musterd.service.d
         printf '[Service]\\nCapabilityBoundingSet=CAP_SYS_NICE\\nAmbientCapabilities=CAP_SYS_NICE\\n' \
             > /run/systemd/system/musterd.service.d/nice.conf
         systemctl daemon-reload; systemctl restart musterd
         chrt --all-tasks --pid $(systemctl show -P MainPID musterd) | grep -c 'priority: 1$' | grep -x 1
         rm -r /run/systemd/system/musterd.service.d
         systemctl daemon-reload; systemctl restart musterd",
    ),
    (
        "it serves: a user is added and its listeners answer",
        "musterctl group create east; musterctl group add-node east a
         musterctl user add alice@example.com --generate
         musterctl get users | grep alice@example.com
         bash -c 'exec 3<>/dev/tcp/127.0.0.1/5222'
         openssl s_client -connect 127.0.0.1:5223 </dev/null | grep CN",
    ),
    (
        "a reload is no restart",
        "before=$(systemctl show -P MainPID musterd); systemctl reload musterd
         test \"$before\" = \"$(systemctl show -P MainPID musterd)\"; systemctl is-active musterd",
    ),
    (
        "an upgrade leaves the node running and says what to do",
        "before=$(systemctl show -P MainPID musterd)
         apt-get install -y /packages/muster_*-2_*.deb | tee /tmp/said
         grep 'systemctl restart musterd' /tmp/said
         test \"$before\" = \"$(systemctl show -P MainPID musterd)\"; systemctl is-active musterd",
    ),
    (
        "restarted it is ready again and has its users",
        "systemctl restart musterd; systemctl is-active musterd
         musterctl get users | grep alice@example.com",
    ),
    (
        "what an operator disabled stays disabled",
        "systemctl disable musterd
         apt-get install -y --reinstall /packages/muster_*-2_*.deb
         ! systemctl is-enabled musterd; systemctl enable musterd",
    ),
    (
        "a removal stops the node and keeps configuration and data",
        "apt-get remove -y muster
         ! systemctl is-active musterd; ! ls /usr/bin/muster*; ! ps -u muster
         test -e /etc/muster/musterd.toml; test -n \"$(ls -A /var/lib/muster)\"",
    ),
    (
        "installed again it starts by itself and goes on",
        "apt-get install -y /packages/muster_*-2_*.deb
         for i in $(seq 300); do systemctl is-active --quiet musterd && break; sleep 0.1; done
         musterctl get users | grep alice@example.com",
    ),
    (
        "a purge removes the data and says so, but no file of the operator's",
        "apt-get purge -y muster | tee /tmp/said; grep 'removing /var/lib/muster' /tmp/said
         ! ls /var/lib/muster; ! ls /etc/muster/musterd.toml
         ls /etc/muster/example.com.key; id muster",
    ),
    (
        "without such files a purge leaves nothing",
        "rm -r /etc/muster
         apt-get install -y /packages/muster_*-2_*.deb; id muster
         apt-get purge -y muster; ! id muster
         find / -xdev -name '*muster*' -not -path '/packages*' -not -path '/tmp/*' -not -path '/var/cache/man/*' | tee /dev/stderr | wc -l | grep -x 0",
    ),
];
