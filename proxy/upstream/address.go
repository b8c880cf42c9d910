package upstream

import "net/netip"

// platform are the addresses at which clouds serve their own, beside those that
// are link-local: who can make the proxy call one can make it fetch, or show
// to others, the machine's own credentials.
var platform = map[netip.Addr]string{
	// https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16
	netip.MustParseAddr("168.63.129.16"): "Azure's platform service",
	// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
	netip.MustParseAddr("fd00:ec2::254"): "the metadata service of AWS",
	// https://cloud.google.com/compute/docs/metadata/querying-metadata
	netip.MustParseAddr("fd20:ce::254"): "the metadata service of Google Cloud",
	// https://www.alibabacloud.com/help/ecs/user-guide/view-instance-metadata
	netip.MustParseAddr("100.100.100.200"): "the metadata service of Alibaba Cloud",
	// https://docs.oracle.com/en/cloud/iaas-classic/compute-iaas-cloud/stcsg/retrieving-predefined-instance-metadata.html
	netip.MustParseAddr("192.0.0.192"): "the metadata service of Oracle Cloud",
}

// Forbidden reports why nobody should be asked to connect to an address: it is
// link-local (RFC 3927, RFC 4291 section 2.5.6), or the metadata or platform
// service of a cloud, or carries such an address inside. The reason reads on
// after "the address is"; it is "" for every other address, loopback and
// private ones included, and for the zero Addr.
func Forbidden(address netip.Addr) string {
	address = address.WithZone("").Unmap()
	if reason := forbidden(address); reason != "" {
		return reason
	}
	if inner := embedded(address); inner.IsValid() {
		return forbidden(inner)
	}
	return ""
}

func forbidden(address netip.Addr) string {
	if address.IsLinkLocalUnicast() || address.IsLinkLocalMulticast() {
		return "link-local, where clouds have their metadata service"
	}
	return platform[address]
}

// The prefixes of IPv6 addresses that carry an IPv4 address.
var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052 section 2.1
	sixToFour  = netip.MustParsePrefix("2002::/16")    // RFC 3056 section 2
	compatible = netip.MustParsePrefix("::/96")        // RFC 4291 section 2.5.5.1
)

// embedded returns the IPv4 address that an IPv6 address carries, the zero Addr
// if it carries none.
func embedded(address netip.Addr) netip.Addr {
	switch b := address.As16(); {
	case nat64.Contains(address), compatible.Contains(address):
		return netip.AddrFrom4([4]byte(b[12:]))
	case sixToFour.Contains(address):
		return netip.AddrFrom4([4]byte(b[2:6]))
	}
	return netip.Addr{}
}
