//! Targets for libFuzzer. Each is a function of one file in `targets`, which the tests of
//! its crate run as well, over `corpus` and changes of it.

mod targets {
    pub(crate) mod body;
    pub(crate) mod filter;
    pub(crate) mod form;
    pub(crate) mod header;
    pub(crate) mod import;
    pub(crate) mod keyfile;
    pub(crate) mod passkey;
    pub(crate) mod record;
    pub(crate) mod request_target;
    pub(crate) mod vault_file;
}

macro_rules! targets {
    ($($name:ident)*) => { $(
        pub fn $name(data: &[u8]) {
            targets::$name::run(data);
        }
    )* };
}

targets! { body filter form header import keyfile passkey record request_target vault_file }
