//! The providers: what they are called, which keys they need, how `dns-update` is told.
//!
//! Absent on purpose: those that keep one value at a name (Duck DNS, DDNSS, freemyip, Hurricane Electric), since a
//! wildcard and its base need two, and those that only replace whole zones (Joker, Namecheap), since one bad answer
//! would empty the zone.

use std::fmt;
use std::time::Duration;

use dns_update::providers::azuredns::{AzureDnsConfig, AzureEnvironment};
use dns_update::providers::edgedns::EdgeDnsConfig;
use dns_update::providers::google_cloud_dns::GoogleCloudDnsConfig;
use dns_update::providers::route53::Route53Config;
use dns_update::{DnsUpdater, Error};

use super::credentials::Credentials;

/// A provider.
pub(crate) struct Provider {
    /// What it is called in configuration: as lego calls it.
    pub(crate) name: &'static str,
    /// What people call it.
    pub(crate) title: &'static str,
    /// The TTL of our records, in seconds: as short as it allows.
    pub(crate) ttl: u32,
    /// What must or may stand in the file of credentials.
    pub(crate) keys: &'static [Key],
    /// Speaks to it with the values of these keys.
    pub(super) make: fn(&Credentials, Option<Duration>) -> Result<DnsUpdater, Error>,
}

/// The name of a key, and its second name after a `|`; `?` at the end if it is optional.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(&'static str);

impl Key {
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        self.0.trim_end_matches('?').split('|')
    }

    pub(crate) fn name(self) -> &'static str {
        self.names().next().unwrap_or_default()
    }

    pub(crate) fn is_needed(self) -> bool {
        !self.0.ends_with('?')
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// The provider of a name.
pub(crate) fn find(name: &str) -> Option<&'static Provider> {
    PROVIDERS.iter().find(|provider| provider.name == name)
}

/// All names.
pub(crate) fn names() -> String {
    PROVIDERS.iter().map(|provider| provider.name).collect::<Vec<_>>().join(", ")
}

macro_rules! providers {
    ($($name:literal, $title:literal, $ttl:literal, [$($key:literal),+], |$it:ident, $within:ident| $make:expr;)+) => {
        /// In the order of their names.
        pub(crate) const PROVIDERS: &[Provider] = &[$(Provider {
            name: $name,
            title: $title,
            ttl: $ttl,
            keys: &[$(Key($key)),+],
            make: |$it, $within| $make,
        }),+];
    };
}

providers! {
    "alidns", "Alibaba Cloud DNS", 600,
        ["ALICLOUD_ACCESS_KEY", "ALICLOUD_SECRET_KEY", "ALICLOUD_REGION_ID?", "ALICLOUD_SECURITY_TOKEN?"],
        |it, within| DnsUpdater::new_alidns(it.at(0), it.at(1), it.maybe(2), it.maybe(3), None::<&str>, within);
    "arvancloud", "ArvanCloud", 120, ["ARVANCLOUD_API_KEY"],
        |it, within| DnsUpdater::new_arvancloud(it.at(0), within);
    "autodns", "AutoDNS", 600, ["AUTODNS_API_USER", "AUTODNS_API_PASSWORD", "AUTODNS_CONTEXT?"],
        |it, within| DnsUpdater::new_autodns(it.at(0), it.at(1), number(it.maybe(2))?, within);
    "azuredns", "Azure DNS", 60,
        ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_SUBSCRIPTION_ID",
         "AZURE_RESOURCE_GROUP", "AZURE_ENVIRONMENT?"],
        |it, within| DnsUpdater::new_azuredns(azure(it, within));
    "baiducloud", "Baidu Cloud", 300, ["BAIDUCLOUD_ACCESS_KEY_ID", "BAIDUCLOUD_SECRET_ACCESS_KEY"],
        |it, within| DnsUpdater::new_baiducloud(it.at(0), it.at(1), within);
    "bunny", "Bunny", 60, ["BUNNY_API_KEY"],
        |it, within| DnsUpdater::new_bunny(it.at(0), within);
    "cloudflare", "Cloudflare", 60, ["CLOUDFLARE_DNS_API_TOKEN|CF_DNS_API_TOKEN"],
        |it, within| DnsUpdater::new_cloudflare(it.at(0), within);
    "cloudns", "ClouDNS", 60, ["CLOUDNS_AUTH_PASSWORD", "CLOUDNS_AUTH_ID?", "CLOUDNS_SUB_AUTH_ID?"],
        |it, within| DnsUpdater::new_cloudns(it.maybe(1), it.maybe(2), it.at(0), within);
    "constellix", "Constellix", 60, ["CONSTELLIX_API_KEY", "CONSTELLIX_SECRET_KEY"],
        |it, within| DnsUpdater::new_constellix(it.at(0), it.at(1), within);
    "cpanel", "cPanel", 300, ["CPANEL_BASE_URL", "CPANEL_USERNAME", "CPANEL_TOKEN"],
        |it, within| DnsUpdater::new_cpanel(it.at(0), it.at(1), it.at(2), within);
    "desec", "deSEC", 3600, ["DESEC_TOKEN"],
        |it, within| DnsUpdater::new_desec(it.at(0), within);
    "digitalocean", "DigitalOcean", 30, ["DO_AUTH_TOKEN"],
        |it, within| DnsUpdater::new_digitalocean(it.at(0), within);
    "dnsimple", "DNSimple", 60, ["DNSIMPLE_OAUTH_TOKEN", "DNSIMPLE_ACCOUNT_ID"],
        |it, within| DnsUpdater::new_dnsimple(it.at(0), it.at(1), within);
    "dnsmadeeasy", "DNS Made Easy", 120, ["DNSMADEEASY_API_KEY", "DNSMADEEASY_API_SECRET"],
        |it, within| DnsUpdater::new_dnsmadeeasy(it.at(0), it.at(1), within);
    "domeneshop", "Domeneshop", 300, ["DOMENESHOP_API_TOKEN", "DOMENESHOP_API_SECRET"],
        |it, within| DnsUpdater::new_domeneshop(it.at(0), it.at(1), within);
    "dreamhost", "DreamHost", 300, ["DREAMHOST_API_KEY"],
        |it, within| DnsUpdater::new_dreamhost(it.at(0), within);
    "dynu", "Dynu", 120, ["DYNU_API_KEY"],
        |it, within| DnsUpdater::new_dynu(it.at(0), within);
    "easydns", "easyDNS", 300, ["EASYDNS_TOKEN", "EASYDNS_KEY"],
        |it, within| DnsUpdater::new_easydns(it.at(0), it.at(1), within);
    "edgedns", "Akamai Edge DNS", 120,
        ["AKAMAI_HOST", "AKAMAI_CLIENT_TOKEN", "AKAMAI_CLIENT_SECRET", "AKAMAI_ACCESS_TOKEN",
         "AKAMAI_ACCOUNT_SWITCH_KEY?"],
        |it, within| DnsUpdater::new_edgedns(akamai(it, within));
    "exoscale", "Exoscale", 120, ["EXOSCALE_API_KEY", "EXOSCALE_API_SECRET"],
        |it, within| DnsUpdater::new_exoscale(it.at(0), it.at(1), within);
    "gandiv5", "Gandi", 300, ["GANDIV5_PERSONAL_ACCESS_TOKEN"],
        |it, within| DnsUpdater::new_gandiv5(it.at(0), within);
    "gcloud", "Google Cloud DNS", 60,
        ["GCE_PROJECT", "GCE_SERVICE_ACCOUNT", "GCE_ZONE_ID?", "GCE_IMPERSONATE_SERVICE_ACCOUNT?"],
        |it, within| DnsUpdater::new_google_cloud_dns(google(it, within));
    "gcore", "Gcore", 120, ["GCORE_PERMANENT_API_TOKEN"],
        |it, within| DnsUpdater::new_gcore(it.at(0), within);
    "glesys", "GleSYS", 60, ["GLESYS_API_USER", "GLESYS_API_KEY"],
        |it, within| DnsUpdater::new_glesys(it.at(0), it.at(1), within);
    "godaddy", "GoDaddy", 600, ["GODADDY_API_KEY", "GODADDY_API_SECRET"],
        |it, within| DnsUpdater::new_godaddy(it.at(0), it.at(1), within);
    "hetzner", "Hetzner", 60, ["HETZNER_API_TOKEN"],
        |it, within| DnsUpdater::new_hetzner(it.at(0), within);
    "hostingde", "hosting.de", 60, ["HOSTINGDE_API_KEY"],
        |it, within| DnsUpdater::new_hostingde(it.at(0), within);
    "hostinger", "Hostinger", 120, ["HOSTINGER_API_TOKEN"],
        |it, within| DnsUpdater::new_hostinger(it.at(0), within);
    "huaweicloud", "Huawei Cloud", 300,
        ["HUAWEICLOUD_ACCESS_KEY_ID", "HUAWEICLOUD_SECRET_ACCESS_KEY", "HUAWEICLOUD_REGION"],
        |it, within| DnsUpdater::new_huaweicloud(it.at(0), it.at(1), it.at(2), within);
    "infomaniak", "Infomaniak", 300, ["INFOMANIAK_ACCESS_TOKEN"],
        |it, within| DnsUpdater::new_infomaniak(it.at(0), within);
    "inwx", "INWX", 300, ["INWX_USERNAME", "INWX_PASSWORD"],
        |it, within| DnsUpdater::new_inwx(it.at(0), it.at(1), false, within);
    "ionos", "IONOS", 300, ["IONOS_API_KEY"],
        |it, within| DnsUpdater::new_ionos(it.at(0), within);
    "ipv64", "IPv64", 60, ["IPV64_API_KEY"],
        |it, within| DnsUpdater::new_ipv64(it.at(0), within);
    "linode", "Linode", 300, ["LINODE_TOKEN"],
        |it, within| DnsUpdater::new_linode(it.at(0), within);
    "luadns", "LuaDNS", 300, ["LUADNS_API_USERNAME", "LUADNS_API_TOKEN"],
        |it, within| DnsUpdater::new_luadns(it.at(0), it.at(1), within);
    "mythicbeasts", "Mythic Beasts", 60, ["MYTHICBEASTS_USERNAME", "MYTHICBEASTS_PASSWORD"],
        |it, within| DnsUpdater::new_mythicbeasts(it.at(0), it.at(1), within);
    "namedotcom", "Name.com", 300, ["NAMECOM_USERNAME", "NAMECOM_API_TOKEN"],
        |it, within| DnsUpdater::new_namedotcom(it.at(0), it.at(1), within);
    "namesilo", "NameSilo", 3600, ["NAMESILO_API_KEY"],
        |it, within| DnsUpdater::new_namesilo(it.at(0), within);
    "netcup", "netcup", 300, ["NETCUP_CUSTOMER_NUMBER", "NETCUP_API_KEY", "NETCUP_API_PASSWORD"],
        |it, within| DnsUpdater::new_netcup(it.at(0), it.at(1), it.at(2), within);
    "netlify", "Netlify", 300, ["NETLIFY_TOKEN"],
        |it, within| DnsUpdater::new_netlify(it.at(0), within);
    "nifcloud", "NIFCLOUD", 120, ["NIFCLOUD_ACCESS_KEY_ID", "NIFCLOUD_SECRET_ACCESS_KEY"],
        |it, within| DnsUpdater::new_nifcloud(it.at(0), it.at(1), within);
    "ns1", "NS1", 60, ["NS1_API_KEY"],
        |it, within| DnsUpdater::new_ns1(it.at(0), within);
    "ovh", "OVH", 60,
        ["OVH_ENDPOINT", "OVH_APPLICATION_KEY", "OVH_APPLICATION_SECRET", "OVH_CONSUMER_KEY"],
        |it, within| DnsUpdater::new_ovh(it.at(1), it.at(2), it.at(3), it.at(0).parse()?, within);
    "pdns", "PowerDNS", 60, ["PDNS_API_URL", "PDNS_API_KEY", "PDNS_SERVER_NAME?"],
        |it, within| DnsUpdater::new_pdns(it.at(1), it.maybe(0), it.maybe(2), within);
    "plesk", "Plesk", 300, ["PLESK_SERVER_BASE_URL", "PLESK_API_KEY"],
        |it, within| DnsUpdater::new_plesk(it.at(0), it.at(1), within);
    "porkbun", "Porkbun", 600, ["PORKBUN_API_KEY", "PORKBUN_SECRET_API_KEY"],
        |it, within| DnsUpdater::new_porkbun(it.at(0), it.at(1), within);
    "route53", "Amazon Route 53", 10,
        ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN?", "AWS_REGION?", "AWS_HOSTED_ZONE_ID?"],
        |it, _within| DnsUpdater::new_route53(route53(it));
    "safedns", "ANS SafeDNS", 120, ["SAFEDNS_AUTH_TOKEN"],
        |it, within| DnsUpdater::new_safedns(it.at(0), within);
    "scaleway", "Scaleway", 60, ["SCW_SECRET_KEY"],
        |it, within| DnsUpdater::new_scaleway(it.at(0), within);
    "simply", "Simply.com", 120, ["SIMPLY_ACCOUNT_NAME", "SIMPLY_API_KEY"],
        |it, within| DnsUpdater::new_simplycom(it.at(0), it.at(1), within);
    "spaceship", "Spaceship", 120, ["SPACESHIP_API_KEY", "SPACESHIP_API_SECRET"],
        |it, within| DnsUpdater::new_spaceship(it.at(0), it.at(1), within);
    "tencentcloud", "Tencent Cloud", 600,
        ["TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY", "TENCENTCLOUD_REGION?", "TENCENTCLOUD_SESSION_TOKEN?"],
        |it, within| DnsUpdater::new_tencentcloud(it.at(0), it.at(1), it.maybe(2), it.maybe(3), within);
    "transip", "TransIP", 60, ["TRANSIP_ACCOUNT_NAME", "TRANSIP_PRIVATE_KEY"],
        |it, within| DnsUpdater::new_transip(it.at(0), it.at(1), true, within);
    "ultradns", "UltraDNS", 120, ["ULTRADNS_USERNAME", "ULTRADNS_PASSWORD", "ULTRADNS_ENDPOINT?"],
        |it, within| DnsUpdater::new_ultradns(it.at(0), it.at(1), it.maybe(2).map(str::to_owned), within);
    "vercel", "Vercel", 60, ["VERCEL_API_TOKEN", "VERCEL_TEAM_ID?"],
        |it, within| DnsUpdater::new_vercel(it.at(0), it.maybe(1), within);
    "vultr", "Vultr", 120, ["VULTR_API_KEY"],
        |it, within| DnsUpdater::new_vultr(it.at(0), within);
    "websupport", "Websupport", 600, ["WEBSUPPORT_API_KEY", "WEBSUPPORT_SECRET"],
        |it, within| DnsUpdater::new_websupport(it.at(0), it.at(1), within);
    "zoneee", "Zone.ee", 300, ["ZONEEE_API_USER", "ZONEEE_API_KEY"],
        |it, within| DnsUpdater::new_zoneeu(it.at(0), it.at(1), within);
}

fn number(text: Option<&str>) -> Result<Option<u32>, Error> {
    let number = text.map(str::parse).transpose();
    number.map_err(|_| Error::Parse("AUTODNS_CONTEXT is no number".to_owned()))
}

fn azure(it: &Credentials, request_timeout: Option<Duration>) -> AzureDnsConfig {
    AzureDnsConfig {
        tenant_id: it.at(0).to_owned(),
        client_id: it.at(1).to_owned(),
        client_secret: it.at(2).to_owned(),
        subscription_id: it.at(3).to_owned(),
        resource_group: it.at(4).to_owned(),
        environment: AzureEnvironment::from_str_lossy(it.at(5)),
        request_timeout,
    }
}

fn akamai(it: &Credentials, request_timeout: Option<Duration>) -> EdgeDnsConfig {
    EdgeDnsConfig {
        host: it.at(0).to_owned(),
        client_token: it.at(1).to_owned(),
        client_secret: it.at(2).to_owned(),
        access_token: it.at(3).to_owned(),
        account_switch_key: it.maybe(4).map(str::to_owned),
        request_timeout,
    }
}

fn google(it: &Credentials, request_timeout: Option<Duration>) -> GoogleCloudDnsConfig {
    GoogleCloudDnsConfig {
        project_id: it.at(0).to_owned(),
        service_account_json: it.at(1).to_owned(),
        managed_zone: it.maybe(2).map(str::to_owned),
        private_zone: false,
        impersonate_service_account: it.maybe(3).map(str::to_owned),
        request_timeout,
    }
}

fn route53(it: &Credentials) -> Route53Config {
    Route53Config {
        access_key_id: it.at(0).to_owned(),
        secret_access_key: it.at(1).to_owned(),
        session_token: it.maybe(2).map(str::to_owned),
        region: it.maybe(3).map(str::to_owned),
        hosted_zone_id: it.maybe(4).map(str::to_owned),
        private_zone_only: Some(false),
        endpoint: None,
    }
}
