# Process 1 of a host like a fresh server on which the package was installed. Its own are the network, the processes, the
# name and the folders that an operator or Muster writes to; nothing outside is touched. It ends, and everything on the host
# with it, when its standard input does.
#
#   host.sh NAME FOLDER SOURCES MUSTERD MUSTERCTL RESOLVER
set -e
name=$1 folder=$2 sources=$3 musterd=$4 musterctl=$5 resolver=$6

mount --make-rprivate /
mount -t proc proc /proc
hostname "$name"

# What the package puts into /usr, and the stand-ins in front of the system's own programs.
mount -t overlay overlay -o "lowerdir=$folder/bin:/usr/bin" /usr/bin
mount --bind "$musterd" /usr/bin/musterd
mount --bind "$musterctl" /usr/bin/musterctl
mount -t tmpfs tmpfs /usr/share/doc
mkdir -p /usr/share/doc/muster/examples
cp "$sources"/deploy/[abw].toml /usr/share/doc/muster/examples

# /etc: what the commands of the guide need, and no more.
etc=$folder/etc-$name
mkdir "$etc" "$etc/muster"
cp -a /etc/alternatives /etc/ssl /etc/pam.d /etc/security /etc/login.defs "$etc"
mkdir -p "$etc/systemd/system"
cp "$sources/deploy/musterd.service" "$etc/systemd/system"
echo "hosts: files dns" >"$etc/nsswitch.conf"
echo "127.0.0.1 localhost" >"$etc/hosts"
echo "nameserver $resolver" >"$etc/resolv.conf"
printf 'root:x:0:0::/root:/bin/sh\nmuster:x:990:990::/var/lib/muster:/usr/sbin/nologin\n' >"$etc/passwd"
printf 'root:x:0:\nmuster:x:990:\n' >"$etc/group"
printf 'root:*:::::::\nmuster:!:::::::\n' >"$etc/shadow"
mount --bind "$etc" /etc
chown root:muster /etc/muster
chmod 0750 /etc/muster

# What stands in for scp reaches the homes of all hosts here.
homes=$folder/homes
mount -t tmpfs tmpfs /var/lib
mount -t tmpfs tmpfs /run
mkdir /run/homes
mount --bind "$homes" /run/homes
mount --bind "$homes/$name" /root
mount -t tmpfs tmpfs /tmp
install -d -o muster -g muster -m 0700 /var/lib/muster

echo ready
# Bash collects those whose parents have gone while it waits.
read -r _ || true
