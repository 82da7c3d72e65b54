use super::*;
use crate::config::Config;

fn options(dir: &Path, plaintext: bool) -> Options {
    Options {
        dir: Some(dir.to_owned()),
        users: 1,
        base_port: Some(5222),
        nodes: Nodes::Pair,
        plaintext,
        log: "info".to_owned(),
        demo: false,
        rounds: 1,
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn an_older_file_that_others_can_read_becomes_private() {
    let dir = tempfile::tempdir().unwrap();
    let users = dir.path().join("users.csv");
    fs::write(&users, "jid,password\nalice@example.com,secret\n").unwrap();
    fs::set_permissions(&users, Permissions::from_mode(0o644)).unwrap();
    Layout::prepare(&options(dir.path(), false)).unwrap();
    assert_eq!(mode(&users), 0o600);
    assert_eq!(mode(&dir.path().join("a.toml")), 0o600);
}

fn config(node: &NodeLayout) -> Config {
    Config::load(&node.config).unwrap()
}

#[test]
fn every_port_that_is_listened_on_is_checked() {
    for plaintext in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::prepare(&options(dir.path(), plaintext)).unwrap();
        for node in &layout.nodes {
            let Config {
                c2s,
                link,
                admin,
                http,
                api,
                ..
            } = config(node);
            let mut listens =
                [c2s.listen, c2s.listen_tls, c2s.listen_plaintext, api.listen].concat();
            if node.witness {
                listens.clear();
            }
            listens.push(link.listen);
            listens.extend(admin.listen);
            listens.push(http.listen);
            assert_eq!(layout.listens(node), listens, "node {}", node.name);
        }
        let a = layout.listens(&layout.nodes[0]);
        assert_eq!(a.iter().any(|at| at.port() == 5227), plaintext, "{a:?}");
        assert_eq!(a.contains(&"[::1]:5222".parse().unwrap()), layout.ipv6);
    }
}

#[test]
fn the_cluster_tells_one_address_of_each_listener() {
    let dir = tempfile::tempdir().unwrap();
    let layout = Layout::prepare(&options(dir.path(), false)).unwrap();
    let a = &layout.nodes[0];
    let told = config(a).addresses();
    let address = |port| vec![a.address(port).to_string()];
    assert_eq!(told.c2s, address(Port::C2s));
    assert_eq!(told.c2s_tls, address(Port::C2sTls));
}
