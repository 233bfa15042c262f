//! Asks the kernel about real sockets.

use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::linux::fs::MetadataExt as _;

use preview_sockets::{Diag, receiving};

#[test]
fn a_listener_is_found_with_its_uid_inode_and_cgroup() {
    for host in [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), SocketAddr::from((Ipv6Addr::LOCALHOST, 0))] {
        let (server, at) = listen(host);
        let seen = diag().listener(at).expect("an answer").expect("a listener");
        assert_eq!(seen.bound, at);
        assert!(!seen.is_wildcard());
        assert_eq!(seen.inode, inode(&server));
        assert_eq!(seen.uid, own_uid());
        assert!(seen.cgroup.is_some_and(|id| id != 0), "{seen:?}");
    }
}

#[test]
fn an_address_without_a_listener_has_none() {
    let mut diag = diag();
    let (server, at) = listen((Ipv4Addr::LOCALHOST, 0).into());
    let other = SocketAddr::from((Ipv6Addr::LOCALHOST, at.port()));
    assert_eq!(diag.listener(other).expect("an answer"), None);
    drop(server);
    assert_eq!(diag.listener(at).expect("an answer"), None);
}

#[test]
fn a_wildcard_is_found_on_the_loopbacks_that_it_serves() {
    let mut diag = diag();
    let (server, at) = listen((Ipv4Addr::UNSPECIFIED, 0).into());
    let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, at.port()));
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, at.port()));
    let seen = diag.listener(v4).expect("an answer").expect("a listener");
    assert!(seen.is_wildcard());
    assert_eq!(seen.inode, inode(&server));
    assert_eq!(diag.listener(v6).expect("an answer"), None);

    let (server, at) = listen((Ipv6Addr::UNSPECIFIED, 0).into());
    let v4 = SocketAddr::from((Ipv4Addr::LOCALHOST, at.port()));
    let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, at.port()));
    for loopback in [v4, v6] {
        let seen = diag.listener(loopback).expect("an answer").expect("a listener");
        assert!(seen.is_wildcard() && !seen.v6_only, "{seen:?}");
        assert_eq!(seen.inode, inode(&server));
    }
}

#[test]
fn a_full_scan_and_the_kernel_s_choice_agree() {
    let mut diag = diag();
    let servers = [
        listen((Ipv4Addr::LOCALHOST, 0).into()),
        listen((Ipv6Addr::LOCALHOST, 0).into()),
        listen((Ipv4Addr::UNSPECIFIED, 0).into()),
        listen((Ipv6Addr::UNSPECIFIED, 0).into()),
    ];
    let all = diag.listening().expect("an answer");
    for (_, at) in &servers {
        for loopback in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
            let to = SocketAddr::new(loopback, at.port());
            let chosen = diag.listener(to).expect("an answer");
            assert_eq!(receiving(&all, to), Vec::from_iter(chosen), "{to}");
        }
    }
}

#[test]
fn a_scan_of_hundreds_is_whole() {
    let servers: Vec<_> = (0..600).map(|_| listen((Ipv4Addr::LOCALHOST, 0).into())).collect();
    let all = diag().listening().expect("an answer");
    let seen: HashSet<u64> = all.iter().map(|socket| socket.inode).collect();
    assert!(servers.iter().all(|(server, _)| seen.contains(&inode(server))));
}

#[test]
fn the_server_s_end_is_known_before_anybody_accepts() {
    let mut diag = diag();
    let (server, at) = listen((Ipv4Addr::LOCALHOST, 0).into());
    let client = TcpStream::connect(at).expect("connected");
    let from = client.local_addr().expect("bound");
    let seen = diag.server_end(at, from).expect("an answer").expect("an end");
    assert_eq!(seen.uid, own_uid());
    assert_eq!(seen.inode, 0);
    let listener = diag.listener(at).expect("an answer").expect("a listener");
    assert_eq!(seen.cgroup, listener.cgroup);

    let (accepted, _) = server.accept().expect("accepted");
    let seen = diag.server_end(at, from).expect("an answer").expect("an end");
    assert_eq!(seen.inode, inode(&accepted));
}

#[test]
fn no_server_s_end_is_a_mere_listener() {
    let mut diag = diag();
    let (_server, at) = listen((Ipv4Addr::LOCALHOST, 0).into());
    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    assert_eq!(diag.server_end(at, nobody).expect("an answer"), None);
}

fn diag() -> Diag {
    Diag::open().expect("the kernel answers")
}

fn listen(at: SocketAddr) -> (TcpListener, SocketAddr) {
    let server = TcpListener::bind(at).expect("a free port");
    let at = server.local_addr().expect("bound");
    (server, at)
}

fn inode(socket: &impl std::os::fd::AsRawFd) -> u64 {
    std::fs::metadata(format!("/proc/self/fd/{}", socket.as_raw_fd())).expect("open").st_ino()
}

fn own_uid() -> u32 {
    std::fs::metadata("/proc/self").expect("mounted").st_uid()
}
