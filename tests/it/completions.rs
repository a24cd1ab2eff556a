//! What shells and `man` are given.

use std::process::Command;

use crate::support::env::TestEnv;

#[test]
fn every_shell_gets_a_script_that_knows_the_commands() {
    let env = TestEnv::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = env.run(["completions", shell]);
        assert_eq!((script.code, script.stderr.as_str()), (0, ""), "{shell}");
        for word in ["apply", "plan", "hub-connection-string"] {
            assert!(script.stdout.contains(word), "{shell} does not know {word}");
        }
    }
    assert_eq!(env.run(["completions", "tcsh"]).code, 2);
    env.write("iotjob.bash", &env.run(["completions", "bash"]).stdout);
    let read = Command::new("bash").arg("-n").arg(env.path().join("iotjob.bash")).status().expect("bash runs");
    assert!(read.success(), "bash cannot read its script");
}

#[test]
fn every_command_has_a_man_page() {
    let env = TestEnv::new();
    let written = env.run(["man", "man1"]);
    assert_eq!(written.code, 0, "{}", written.stderr);
    let page = |name: &str| std::fs::read_to_string(env.path().join("man1").join(name)).expect("the page");
    for name in ["iotjob.1", "iotjob-apply.1", "iotjob-plan.1", "iotjob-hub-env.1"] {
        let text = page(name);
        assert!(text.contains(".SH NAME") && text.contains(".SH SYNOPSIS"), "{name}: {text}");
    }
    assert!(page("iotjob-apply.1").contains("Exit codes"), "{}", page("iotjob-apply.1"));
    env.write("file", "");
    assert_eq!(env.run(["man", "file"]).code, 2);
}
