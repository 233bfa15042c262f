//! Credentials for every provider, and where each lives.

use rcgen::{KeyPair, PKCS_RSA_SHA256};
use serde_json::json;

use super::super::table::{Key, Provider};

/// A file of credentials with all that is needed; secrets have `hush` in them.
pub(super) fn sample(provider: &Provider) -> String {
    let value = |name: &str| match name {
        "OVH_ENDPOINT" => "ovh-eu".to_owned(),
        "PDNS_API_URL" => "https://pdns.example.net".to_owned(),
        "PLESK_SERVER_BASE_URL" => "https://plesk.example.net:8443".to_owned(),
        "CPANEL_BASE_URL" => "https://cpanel.example.net:2083".to_owned(),
        "AKAMAI_HOST" => "akab-1.luna.akamaiapis.net".to_owned(),
        "HUAWEICLOUD_REGION" => "cn-north-4".to_owned(),
        "GCE_SERVICE_ACCOUNT" => service_account().replace('\n', ""),
        "TRANSIP_PRIVATE_KEY" => rsa_key().lines().filter(|line| !line.starts_with('-')).collect(),
        name => format!("hush-{}", name.to_ascii_lowercase().replace('_', "-")),
    };
    let is_given = |key: &&Key| key.is_needed() || key.name() == "CLOUDNS_AUTH_ID";
    let line = |key: &Key| format!("{}='{}'\n", key.name(), value(key.name()));
    provider.keys.iter().filter(is_given).map(line).collect()
}

/// A service account's file, as Google gives it out.
pub(super) fn service_account() -> String {
    json!({
        "type": "service_account",
        "client_email": "edge@a-project.iam.gserviceaccount.com",
        "private_key": rsa_key(),
        "token_uri": "https://oauth2.googleapis.com/token",
    })
    .to_string()
}

fn rsa_key() -> String {
    KeyPair::generate_for(&PKCS_RSA_SHA256).expect("a key").serialize_pem()
}

/// Where the providers' documentation says that they live; the first thing that is asked for.
pub(super) const LIVES: &[(&str, &str)] = &[
    ("alidns", "alidns.aliyuncs.com"),
    ("arvancloud", "napi.arvancloud.ir"),
    ("autodns", "api.autodns.com"),
    ("azuredns", "login.microsoftonline.com"),
    ("baiducloud", "dns.baidubce.com"),
    ("bunny", "api.bunny.net"),
    ("cloudflare", "api.cloudflare.com"),
    ("cloudns", "api.cloudns.net"),
    ("constellix", "api.dns.constellix.com"),
    ("cpanel", "cpanel.example.net"),
    ("desec", "desec.io"),
    ("digitalocean", "api.digitalocean.com"),
    ("dnsimple", "api.dnsimple.com"),
    ("dnsmadeeasy", "api.dnsmadeeasy.com"),
    ("domeneshop", "api.domeneshop.no"),
    ("dreamhost", "api.dreamhost.com"),
    ("dynu", "api.dynu.com"),
    ("easydns", "rest.easydns.net"),
    ("edgedns", "akab-1.luna.akamaiapis.net"),
    ("exoscale", "api-ch-gva-2.exoscale.com"),
    ("gandiv5", "api.gandi.net"),
    ("gcloud", "oauth2.googleapis.com"),
    ("gcore", "api.gcore.com"),
    ("glesys", "api.glesys.com"),
    ("godaddy", "api.godaddy.com"),
    ("hetzner", "api.hetzner.cloud"),
    ("hostingde", "secure.hosting.de"),
    ("hostinger", "developers.hostinger.com"),
    ("huaweicloud", "dns.cn-north-4.myhuaweicloud.com"),
    ("infomaniak", "api.infomaniak.com"),
    ("inwx", "api.domrobot.com"),
    ("ionos", "api.hosting.ionos.com"),
    ("ipv64", "ipv64.net"),
    ("linode", "api.linode.com"),
    ("luadns", "api.luadns.com"),
    ("mythicbeasts", "auth.mythic-beasts.com"),
    ("namedotcom", "api.name.com"),
    ("namesilo", "www.namesilo.com"),
    ("netcup", "ccp.netcup.net"),
    ("netlify", "api.netlify.com"),
    ("nifcloud", "dns.api.nifcloud.com"),
    ("ns1", "api.nsone.net"),
    ("ovh", "eu.api.ovh.com"),
    ("pdns", "pdns.example.net"),
    ("plesk", "plesk.example.net"),
    ("porkbun", "api.porkbun.com"),
    ("route53", "route53.amazonaws.com"),
    ("safedns", "api.ukfast.io"),
    ("scaleway", "api.scaleway.com"),
    ("simply", "api.simply.com"),
    ("spaceship", "spaceship.dev"),
    ("tencentcloud", "dnspod.tencentcloudapi.com"),
    ("transip", "api.transip.nl"),
    ("ultradns", "api.ultradns.com"),
    ("vercel", "api.vercel.com"),
    ("vultr", "api.vultr.com"),
    ("websupport", "rest.websupport.sk"),
    ("zoneee", "api.zone.eu"),
];
