-- Prosody as `cargo xtask bench peers` runs it: tuned for speed where that is a setting, and otherwise as Debian ships it.
-- @DIR@, @PORT@ and @CERT@ are filled in by the bench.

-- A folder of its own; nothing of the system's instance is touched.
data_path = "@DIR@/data"
pidfile = "@DIR@/prosody.pid"
certificates = "@CERT@"

-- The default backend; named, since select and libevent are what older pages advise.
network_backend = "epoll"
network_settings = {
    -- 5,000 clients connect at once in the storm; the default of 128 would leave them to retries of TCP.
    tcp_backlog = 8192;
    -- Small writes go out at once, as with the other servers.
    nagle = false;
}
-- Lua 5.4's generational collector takes less CPU time for servers with much short-lived data.
gc = { mode = "generational" }

-- Only what the work needs: no archive, no PEP, no carbons, no rate limits (mod_limits is not there).
-- roster, presence, messages, offline messages and c2s are always loaded.
modules_enabled = { "roster", "saslauth", "tls", "disco", "register_ibr" }
-- There are no other servers to talk to.
modules_disabled = { "s2s" }

-- Accounts are made by in-band registration, without limits.
allow_registration = true
-- Muster's mechanism and its number of rounds: a login costs each server the same hashes.
authentication = "internal_hashed"
password_hash = "SHA-256"
default_iteration_count = 4096
-- Files, which Prosody keeps in memory for those who are online; SQL would be slower.
storage = "internal"

-- The work without TLS needs logins without it; SCRAM shows no password.
c2s_require_encryption = false
interfaces = { "127.0.0.1" }
c2s_ports = { @PORT@ }
c2s_direct_tls_ports = { }
s2s_ports = { }

-- Only what goes wrong.
log = { { levels = { min = "warn" }, to = "file", filename = "@DIR@/prosody.log" } }

VirtualHost "example.com"
    ssl = { certificate = "@CERT@/example.com.pem", key = "@CERT@/example.com.key" }
