"""Remedies for AWS credentials: sign-in, profiles, permissions, clock, proxies and certificates."""

from __future__ import annotations

import json
import shlex
from datetime import timedelta

from ecr_refreshd.core.durations import duration_text
from ecr_refreshd.core.model import Standing
from ecr_refreshd.core.remedies import Remedy

REFRESH = "ecr-refreshd refresh"
ROLE_LASTS = 3600
"""Seconds of a role session, where the profile has no duration_seconds (AWS's own default)."""


# -- signing in ------------------------------------------------------------------------------------------------


def enter_code(command: str, seconds: int = ROLE_LASTS) -> Remedy:
    """Return how a person gives an MFA code, and how long what it gets is good.

    Args:
        command: of the AWS CLI, which caches the role session where the service reads it.
        seconds: the length of that session.
    """
    lasts = duration_text(timedelta(seconds=seconds))
    words = f"This asks for the code; its session lasts {lasts}, a registry token got with it up to 12h:"
    return Remedy(words, command)


def sign_in(standing: Standing) -> Remedy:
    """Return how a person signs in again for a principal whose login has ended.

    A file of the AWS CLI tells the service of a new login. A `credential_process` keeps its login elsewhere, so
    the service has to be asked to look again.

    Args:
        standing: what the AWS files and `[login] command` say of the principal.
    """
    command = standing.login_command
    if standing.code_lasts and not standing.is_configured:
        return enter_code(command, standing.code_lasts)
    if standing.process:
        how = f"`{command}`" if command else standing.program
        return Remedy(f"Sign in with {how}, then:", REFRESH)
    if command:
        return Remedy("", command)
    return Remedy("Sign in again with the tool that gives you these credentials.")


def sso_login(*, session: str = "", profile: str = "") -> Remedy:
    """Return how a person signs in by IAM Identity Center, in a session or, of the old form, for a profile."""
    option = f"--sso-session {shlex.quote(session)}" if session else f"--profile {shlex.quote(profile)}"
    return Remedy(command=f"aws sso login {option}")


def login(profile: str) -> Remedy:
    """Return how a person signs in with `aws login`, for a profile that has ``login_session``."""
    return Remedy(command=f"aws login --profile {shlex.quote(profile)}")


def install_login_runtime() -> Remedy:
    """Return what lets this installation renew an `aws login`; boto3 alone cannot."""
    return Remedy(
        "Install the AWS CLI 2.32 or newer, or add the AWS common runtime where ecr-refreshd is installed "
        "(pipx inject ecr-refreshd 'botocore[crt]')."
    )


def first_profile(*, has_cli: bool) -> Remedy:
    """Return how a machine without any AWS credentials gets some.

    Args:
        has_cli: an AWS CLI is on the PATH.
    """
    if has_cli:
        return Remedy(command="aws configure sso")
    return Remedy(
        "Install the AWS CLI version 2, then run `aws configure sso`; or write ~/.aws/config by hand."
    )


# -- profiles --------------------------------------------------------------------------------------------------


def list_profiles() -> Remedy:
    """Return how the profiles that exist are listed. The AWS files must parse."""
    return Remedy(command="aws configure list-profiles")


def show_sources(profile: str) -> Remedy:
    """Return how the credential sources of an existing profile are shown. The AWS files must parse."""
    return Remedy(command=f"aws configure list --profile {shlex.quote(profile)}")


def check_identity(profile: str) -> Remedy:
    """Return how credentials are tried outside this program; changes nothing.

    Args:
        profile: an existing profile; "" for the credentials of the environment.
    """
    chosen = f" --profile {shlex.quote(profile)}" if profile else ""
    return Remedy(command=f"aws sts get-caller-identity{chosen}")


def check_identity_or_region(profile: str, region: str) -> Remedy:
    """Return how to tell unknown keys from a region that is not enabled; changes nothing."""
    enable = f"aws account enable-region --region-name {shlex.quote(region)}"
    return Remedy(
        f"If this command works, the account has not enabled the region ({enable}); if not, make new keys:",
        check_identity(profile).command,
    )


def correct_files() -> Remedy:
    """Return where the settings of a profile are corrected."""
    return Remedy("Correct the files in ~/.aws; they are read again when they change.")


def correct_environment() -> Remedy:
    """Return where the settings of the ambient credentials are corrected."""
    return Remedy("Correct the environment of the service, then start it again.")


def new_environment_keys() -> Remedy:
    """Return what helps when the keys in the service's own environment have expired."""
    return Remedy("Start the service again with new keys, or without AWS_ACCESS_KEY_ID.")


def correct_account_and_role() -> Remedy:
    """Return what helps when AWS knows no such permission set or account."""
    return Remedy("Correct sso_account_id and sso_role_name in ~/.aws/config.")


def profile_meant() -> Remedy:
    """Return how a profile is named where only the ambient credentials were tried."""
    return Remedy('If a profile is meant, name it: profile = "..." under [[registry]], or AWS_PROFILE.')


def name_profile(host: str, profile: str) -> Remedy:
    """Return how to say which profile serves a registry for which none fits.

    Established: no profile's account is the registry's. The lines change our own settings, and nothing else.

    Args:
        host: the registry.
        profile: the likeliest profile; "" where none has credentials of that partition.
    """
    if not profile:
        return Remedy("Make a profile for that account:", "aws configure sso")
    lines = f'[[registry]] with host = "{host}" and profile = {json.dumps(profile, ensure_ascii=False)}'
    return Remedy(
        f"Registries can be opened to other accounts; to use that profile, write in config.toml: {lines}"
    )


# -- the files in ~/.aws ---------------------------------------------------------------------------------------


def show_aws_folder() -> Remedy:
    """Return how it is seen what makes the AWS files unreadable, such as a network share; changes nothing."""
    return Remedy(command="ls -l ~/.aws ~/.aws/sso/cache")


def correct_file(path: str, line: int) -> Remedy:
    """Return which line of an AWS file has to be corrected. The AWS CLI cannot do it: it cannot read the file."""
    return Remedy(f"Correct line {line} of {path}." if line else f"Correct {path}.")


def merge_duplicates(path: str, line: int) -> Remedy:
    """Return what helps where a section or a key stands twice; the AWS CLI cannot read such a file."""
    return Remedy(f"Keep one of the two: delete the one in line {line} of {path}, or merge them.")


def _backup(line: int) -> str:
    """Return the ending of a copy's name: by time and line, so that no older copy is overwritten."""
    return f".bak-$(date +%s%N)-{line}"


def remove_byte_order_mark(path: str, *, gnu: bool) -> Remedy:
    """Return how a UTF-8 byte order mark is removed; a copy of the file is left beside it.

    Args:
        path: the real file, since sed replaces a symbolic link by a file.
        gnu: sed is GNU's or busybox's; another does not know hexadecimal bytes.
    """
    words = "Save it as UTF-8 without BOM (`ecr-refreshd doctor --fix` does it), or:"
    backup = _backup(1)
    sed = f"sed -i{backup} " + r"'1s/^\xEF\xBB\xBF//'"
    perl = f"perl -i{backup} " + r"-pe 's/^\xEF\xBB\xBF// if $. == 1'"
    return Remedy(words, f"{sed if gnu else perl} {shlex.quote(path)}")


def save_as_utf8(path: str, encoding: str) -> Remedy:
    """Return how a file gets the encoding that AWS programs read; a copy of the file is left beside it.

    Args:
        path: the real file.
        encoding: the one that it has, such as ``UTF-16``; "" if unknown, so that no command can be given.
    """
    words = "Save it as UTF-8 without BOM"
    if not encoding:
        return Remedy(f"{words}.")
    named, copy = shlex.quote(path), shlex.quote(f"{path}.bak")
    convert = f"iconv -f {encoding} -t UTF-8 {copy} > {named}"
    return Remedy(
        f"{words}:", f"test ! -e {copy} && cp -p {named} {copy} && {{ {convert} || cp -p {copy} {named}; }}"
    )


def rename_title(path: str, line: int, title: str, *, and_rest: bool = False) -> Remedy:
    """Return how a section gets a title that AWS programs read; a copy of the file is left beside it.

    Args:
        path: the real file, since sed replaces a symbolic link by a file.
        line: the title's.
        title: the right one, with its brackets.
        and_rest: a comment behind it is taken for part of the title, and goes.
    """
    if not line:
        return Remedy(f"Write {title} in {path}.")
    escaped = title.replace("\\", r"\\").replace("/", r"\/").replace("&", r"\&")
    # Up to the last bracket, as the parser of these files takes it; what stands behind it stays.
    until = "" if and_rest else r"\]"
    script = shlex.quote(f"{line}s/\\[.*{until}/{escaped}/")
    return Remedy(f"Write {title} there:", f"sed -i{_backup(line)} {script} {shlex.quote(path)}")


def rewrite_value(path: str, line: int, key: str, value: str) -> Remedy:
    """Return how one value of an AWS file is corrected; a copy of the file is left beside it.

    Args:
        path: the real file, since sed replaces a symbolic link by a file.
        line: the value's, on which nothing else stands.
        key: its key.
        value: the right one, of letters, digits and ``-_./:@=+,#~?%`` only.
    """
    script = shlex.quote(f"{line}s|[:=].*|= {value}|")
    return Remedy(f"Write {key} = {value} there:", f"sed -i{_backup(line)} {script} {shlex.quote(path)}")


def correct_value(key: str, line: int, path: str, right: str) -> Remedy:
    """Return what a value has to be, in words."""
    place = f"line {line} of {path}" if line else path
    return Remedy(f"Correct {key} in {place}: {right}.")


def delete_line(path: str, line: int, key: str, title: str) -> Remedy:
    """Return how a line is taken out of an AWS file; a copy of the file is left beside it.

    Args:
        path: the real file, since sed replaces a symbolic link by a file.
        line: where the key stands, alone.
        key: what is left over.
        title: the section's, with its brackets.
    """
    if not line:
        return Remedy(f"Delete the line {key} from {title} in {path}.")
    command = f"sed -i{_backup(line)} {line}d {shlex.quote(path)}"
    return Remedy(f"Delete the line {key} from {title}:", command)


def separate_sso_profile(profile: str, path: str) -> Remedy:
    """Return how a profile with both SSO keys and role_arn gets its role: by a source profile."""
    name = f"{profile}-sso"
    return Remedy(
        f"Move the sso_ lines of {profile} into a profile of their own, such as {name}, and write "
        f"source_profile = {name} beside role_arn in {path}."
    )


def add_source_profile(profile: str, path: str) -> Remedy:
    """Return how a role gets the credentials that assume it."""
    return Remedy(
        f"Write source_profile (the profile that assumes the role) or credential_source beside role_arn of "
        f"{profile} in {path}."
    )


# -- programs that give credentials ----------------------------------------------------------------------------


def correct_program() -> Remedy:
    """Return what helps when a credential_process prints something else than credentials."""
    return Remedy("Run it in a terminal, then correct credential_process in ~/.aws/config.")


def correct_program_path() -> Remedy:
    """Return what helps when a credential_process is not found."""
    return Remedy(
        "Write its full path into credential_process in ~/.aws/config, or correct the PATH of the service."
    )


def program_output() -> Remedy:
    """Return the form that AWS programs expect of a credential_process."""
    return Remedy(
        "It must print one JSON object: Version 1, AccessKeyId and SecretAccessKey; and, for keys that expire, "
        "SessionToken and Expiration (such as 2026-01-31T12:00:00Z)."
    )


def run_program() -> Remedy:
    """Return what helps when a credential_process does not answer in time."""
    return Remedy("Run it in a terminal: it may wait for a window, a key or a code.")


# -- permissions -----------------------------------------------------------------------------------------------


def assign_role() -> Remedy:
    """Return what helps when the SSO user has not been assigned the permission set."""
    return Remedy("Ask an administrator to assign it to you, or correct sso_account_id and sso_role_name.")


def allow(*actions: str, resource: str = "") -> Remedy:
    """Return which IAM actions have to be allowed.

    Args:
        actions: such as ``ecr:GetAuthorizationToken``.
        resource: on what, if it matters.
    """
    return Remedy(f"Allow {' and '.join(actions)}{f' on {resource}' if resource else ''}.")


def identity_provider() -> Remedy:
    """Return what helps when AWS does not know who issued a web identity token."""
    return Remedy("Ask an administrator for an IAM identity provider for the issuer of this token.")


# -- network, certificates, clock ------------------------------------------------------------------------------


def plain_host() -> Remedy:
    """Return what helps where AWS has no FIPS or dual-stack endpoint."""
    return Remedy("Use the plain host name.")


def check_endpoint() -> Remedy:
    """Return what to check when the endpoint is not one of AWS."""
    return Remedy("Check the proxy settings, and endpoint_url of this profile.")


def proxy_refuses(status: int) -> Remedy:
    """Return what helps when a proxy answers, and does not let the connection through."""
    if status == 407:
        return Remedy(
            "Put the user and password of the proxy into HTTPS_PROXY (http://USER:PASSWORD@HOST:PORT)."
        )
    return Remedy("Ask the proxy's administrator to allow *.amazonaws.com, or name it in NO_PROXY.")


def trust_certificate(child: str, system_file: str, profile: str) -> Remedy:
    """Return how AWS programs come to trust the certificate they are shown.

    Args:
        child: what the process that asks AWS trusts, in words; "" if unknown.
        system_file: the list of the system, if that trusts the certificate; "" if it does not, or was not tried.
        profile: who asks; "" for the ambient credentials.
    """
    if system_file:
        line = f"AWS_CA_BUNDLE={shlex.quote(system_file)}"
        where = f', or ca_bundle = {system_file} into the section of profile "{profile}"' if profile else ""
        return Remedy(
            f"This system trusts it, and AWS programs read neither the system's list nor SSL_CERT_FILE. Put "
            f"{line} into the environment of the service{where}."
        )
    neither = " (SSL_CERT_FILE and the system's list do not count)" if child else ""
    return Remedy(
        "A captive portal, or a company's proxy: in that case let AWS_CA_BUNDLE or ca_bundle name its certificate"
        f"{neither}."
    )


def correct_certificate_file() -> Remedy:
    """Return what helps when the list of trusted certificates cannot be read."""
    return Remedy("Correct AWS_CA_BUNDLE, or ca_bundle in ~/.aws/config.")


def hop_limit() -> Remedy:
    """Return what lets a container on an instance reach the metadata service."""
    return Remedy(
        "In a container the hop limit of the instance must be 2: aws ec2 modify-instance-metadata-options "
        "--instance-id ID --http-put-response-hop-limit 2"
    )


def attach_role() -> Remedy:
    """Return what gives an instance credentials."""
    return Remedy("Attach an IAM role to the instance (EC2 console: Modify IAM role), or name a profile.")


def check_role_trust() -> Remedy:
    """Return what to check when EC2 may not assume the role of its instance."""
    return Remedy("Check that the role still exists and that its trust policy names ec2.amazonaws.com.")


def check_metadata_options() -> Remedy:
    """Return what to check when the metadata service gives no session token."""
    return Remedy("Check the metadata options of the instance (http-endpoint, http-tokens), and any proxy.")


def metadata_unreachable() -> Remedy:
    """Return what to check when nothing answers at the address of the metadata service."""
    return Remedy(
        "On EC2, check that the metadata service is enabled and no firewall or network policy blocks it; "
        'elsewhere, name a profile: profile = "..." under [[registry]], or AWS_PROFILE.'
    )


def unreachable_endpoint() -> Remedy:
    """Return what helps where one endpoint of AWS cannot be reached for hours while others can."""
    return Remedy("Other endpoints of AWS answer. Check the region, endpoint_url and the DNS of this one.")


def check_proxy() -> Remedy:
    """Return what to check when something else than AWS answers."""
    return Remedy("Check the proxy settings (HTTPS_PROXY, NO_PROXY).")


def newer_botocore() -> Remedy:
    """Return what helps where a host names a region that the installed botocore does not know."""
    return Remedy(
        "Correct the host; or, if AWS has opened that region since, upgrade botocore where ecr-refreshd is "
        "installed."
    )


# -- this installation -----------------------------------------------------------------------------------------


def reinstall() -> Remedy:
    """Return what helps when the process that asks AWS cannot be loaded."""
    return Remedy("Install ecr-refreshd again, then restart the service.")


def raise_memory_limit() -> Remedy:
    """Return what helps when a process was killed for the memory limit of its control group."""
    return Remedy("Raise the limit to 96 MiB or more (Kubernetes: resources.limits.memory: 96Mi).")


def wait_for_file() -> Remedy:
    """Return what happens next where a file is missing that others write."""
    return Remedy("It is read again when the file appears.")
