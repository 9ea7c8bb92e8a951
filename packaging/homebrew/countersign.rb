# @VERSION@ and @SHA256@ are filled in by packaging/formula.
class Countersign < Formula
  desc "Sync Veracode findings, rotate API credentials, test against a built-in platform"
  homepage "https://github.com/countersign/countersign"
  url "https://github.com/countersign/countersign/archive/refs/tags/v@VERSION@.tar.gz"
  sha256 "@SHA256@"
  license any_of: ["MIT", "Apache-2.0"]
  head "https://github.com/countersign/countersign.git", branch: "main"

  depends_on "rust" => :build

  def install
    system "cargo", "install", "--features", "keyring,postgres", *std_cargo_args(path: "crates/cli")
    generate_completions_from_executable(bin/"countersign", "completions", shells: [:bash, :zsh, :fish, :pwsh])
    system bin/"countersign", "man", "--out", man1
  end

  service do
    run [opt_bin/"countersign", "serve"]
    keep_alive crashed: true
    environment_variables COUNTERSIGN_HOME: var/"countersign"
    log_path var/"log/countersign.log"
    error_log_path var/"log/countersign.log"
  end

  test do
    system bin/"countersign", "--home", testpath/"demo", "quickstart", "--once", "--json"
    assert_match "CRITICAL", shell_output("#{bin}/countersign --home #{testpath}/demo findings --json").upcase
  end
end
