//! A reload ends what the new configuration has no place for, and nothing else.

use crate::{
    lab::{Lab, MAIN},
    wire::Wire,
};

const ALIAS: &str = "192.168.1.20";

fn tunnel(lab: &Lab, host: &str, path: &str, cookie: &str) -> Wire {
    let mut wire = lab.connect();
    wire.send(format!(
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         origin: http://{host}\r\nsec-websocket-version: 13\r\ncookie: {cookie}\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ));
    assert_eq!(wire.answer().status, 101, "{host}{path}");
    wire
}

/// The code of the close frame that it ends with.
fn close_code(mut tunnel: Wire) -> u16 {
    let frame = tunnel.rest();
    assert_eq!(frame[..1], [0x88], "a close frame: {frame:x?}");
    u16::from_be_bytes([frame[2], frame[3]])
}

#[test]
fn an_alias_that_is_taken_out_ends_what_was_opened_there() {
    let lab = Lab::start();
    let mut config = lab.config.clone();
    let open = config.routes.iter_mut().find(|route| route.name == "open");
    open.unwrap().host = None;
    let without = config.clone();
    config.server.aliases = vec![format!("http://{ALIAS}").parse().unwrap()];
    lab.server.reload(config).unwrap();
    let cookie = lab.sign_in();
    let on_main = tunnel(&lab, MAIN, "/shared/websocket", &cookie);
    let on_alias = tunnel(&lab, ALIAS, "/websocket", "");

    lab.server.reload(without).unwrap();

    assert_eq!(close_code(on_alias), 1001);
    assert_eq!(lab.connect().get(ALIAS, "/", "").status, 421);
    // The other one is open until its session ends.
    let asked = format!("cookie: {cookie}\r\n");
    let form = lab.connect().get(MAIN, "/.labgate/sign-out", &asked);
    let fields = format!("csrf={}", form.hidden("csrf"));
    let out = lab
        .connect()
        .post(MAIN, "/.labgate/sign-out", &cookie, &fields);
    assert_eq!(out.status, 303);
    assert_eq!(close_code(on_main), 1008);
    lab.stop();
}
