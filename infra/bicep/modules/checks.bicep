metadata description = 'What parameters must be. A check returns nothing for a good value, else a sentence that names the parameter, what was found and what is expected.'

// An index or int() is guarded by ?: and not by &&, of which ARM may evaluate both sides.

func all(conditions bool[]) bool => empty(filter(conditions, condition => !condition))

func lower() string[] => ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z']

func letters() string[] => concat(lower(), ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z'])

func digits() string[] => ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']

// Cut at each allowed character, such a value leaves nothing.
func hasOnly(value string, allowed string[]) bool => empty(join(split(value, allowed), ''))

func startsWithOneOf(value string, allowed string[]) bool => contains(allowed, take(value, 1))

func isNumber(text string, most int) bool => !empty(text) && length(text) < 6 && hasOnly(text, digits()) ? int(text) <= most : false

func isOctets(parts string[]) bool => length(parts) == 4 ? all([
  isNumber(parts[0], 255)
  isNumber(parts[1], 255)
  isNumber(parts[2], 255)
  isNumber(parts[3], 255)
]) : false

func isAddress(text string) bool => isOctets(split(text, '.'))

func isCidr(text string) bool => length(split(text, '/')) == 2 ? isAddress(split(text, '/')[0]) && isNumber(split(text, '/')[1], 32) : false

func prefixLength(text string) int => isCidr(text) ? int(split(text, '/')[1]) : 33

// HOST[:PORT], with an IPv6 address in brackets

func isName(text string) bool => !empty(text) && hasOnly(text, concat(letters(), digits(), ['.', '-', '_']))

func isPort(text string) bool => isNumber(text, 65535) && text != '0'

func isNameAndPort(parts string[]) bool => length(parts) == 2 ? isName(parts[0]) && isPort(parts[1]) : length(parts) == 1 && isName(join(parts, ''))

func isBracketsAndPort(parts string[]) bool => length(parts) == 2 ? all([
  length(parts[0]) > 2
  hasOnly(toLower(skip(parts[0], 1)), concat(take(lower(), 6), digits(), [':', '.']))
  empty(parts[1]) || take(parts[1], 1) == ':' && isPort(skip(parts[1], 1))
]) : false

func isAuthority(text string) bool => take(text, 1) == '[' ? isBracketsAndPort(split(text, ']')) : isNameAndPort(split(text, ':'))

func isUrl(text string, scheme string) bool => all([
  take(text, length(scheme)) == scheme
  isAuthority(split(skip(text, length(scheme)), '/')[0])
  length(split(text, ['?', '#', ' ', '\t', '\r', '\n'])) == 1
])

// The parts of an ARM id, without the names in it

func isSubnet(parts string[]) bool => length(parts) == 11 ? all([
  toLower('${parts[0]}/${parts[1]}/${parts[3]}/${parts[5]}/${parts[6]}/${parts[7]}/${parts[9]}') == '/subscriptions/resourcegroups/providers/microsoft.network/virtualnetworks/subnets'
  !contains(skip(parts, 1), '')
]) : false

func isVaultZone(parts string[]) bool => length(parts) == 9 ? all([
  toLower('${parts[0]}/${parts[1]}/${parts[3]}/${parts[5]}/${parts[6]}/${parts[7]}/${parts[8]}') == '/subscriptions/resourcegroups/providers/microsoft.network/privatednszones/privatelink.vaultcore.azure.net'
  !contains(skip(parts, 1), '')
]) : false

@export()
func name(value string) string => all([
  length(value) >= 3
  length(value) <= 32
  hasOnly(value, concat(lower(), digits(), ['-']))
  startsWithOneOf(value, lower())
  !endsWith(value, '-')
]) ? '' : 'name is "${value}", expected 3 to 32 of a-z, 0-9 and -, with a letter first and no - last.'

// What may be a password is not repeated in the sentence.
@export()
func backendUrl(value string, allowHttp string) string => isUrl(value, 'https://') || allowHttp == 'true' && isUrl(value, 'http://') ? '' : '${contains(value, '@') || contains(value, '?') ? 'backendUrl holds a user or a query' : 'backendUrl is "${value}"'}, expected https://HOST[:PORT][/PATH] without user, query and fragment; http:// only if settings.BACKEND_ALLOW_HTTP is \'true\'.'

// Nor is a private key.
@export()
func backendCa(value string) string => contains(value, 'PRIVATE KEY') ? 'backendCa holds a private key, expected certificates only.' : empty(value) || contains(value, '-----BEGIN CERTIFICATE-----') ? '' : 'backendCa holds no certificate, expected PEM with -----BEGIN CERTIFICATE-----, or nothing.'

func isHeader(value string) bool => all([
  take(value, 7) == 'header:'
  length(value) > 7
  hasOnly(skip(value, 7), concat(letters(), digits(), ['!', '#', '$', '%', '&', '\'', '*', '+', '-', '.', '^', '_', '`', '|', '~']))
])

@export()
func backendAuth(value string) string => contains(['bearer', 'basic', 'none'], value) || isHeader(value) ? '' : 'backendAuth ${contains(value, ' ') ? 'holds a blank' : 'is "${value}"'}, expected bearer, basic, none or header:NAME.'

@export()
func backendUsername(auth string, given bool) string => (auth == 'basic') == given ? '' : 'backendAuth is "${auth}", and settings.BACKEND_USERNAME is ${given ? 'given' : 'not'}, expected both basic and a user, or neither.'

@export()
func scimPath(value string) string => all([
  take(value, 1) == '/'
  value == '/' || !contains(skip(split(value, '/'), 1), '')
  !contains(split(value, '/'), '.')
  !contains(split(value, '/'), '..')
  !startsWith('${value}/', '/admin/')
  !startsWith('${value}/', '/runtime/')
  hasOnly(value, concat(letters(), digits(), ['-', '.', '_', '~', '/']))
]) ? '' : 'scimPath is "${value}", expected / or a path such as /scim of letters, digits and -._~ that does not end in / and is not at or below /admin or /runtime.'

@export()
func publicUrl(value string) string => empty(value) || isUrl(value, 'https://') && length(split(value, '/')) == 3 ? '' : 'publicUrl is "${value}", expected https://HOST without a path, or nothing.'

// A user with a colon is most likely user:password.
@export()
func setting(key string, value string) string => empty(value) ? 'settings.${key} is empty, expected a value, or no such key.' : key == 'BACKEND_USERNAME' && contains(value, ':') ? 'settings.${key} holds a colon, expected the user only; the password is the secret backend-token.' : ''

@export()
func alwaysReadyInstances(value int, maximum int) string => value <= maximum ? '' : 'alwaysReadyInstances is ${value}, expected at most maximumInstanceCount, which is ${maximum}.'

@export()
func subnetName(value string) string => contains(value, '_') ? 'subnetName is "${value}", expected a name without underscore, which Flex Consumption refuses.' : ''

@export()
func existingSubnetId(value string) string => empty(value) || isSubnet(split(value, '/')) && !contains(join(skip(split(value, '/'), 10), ''), '_') ? '' : 'existingSubnetId is "${value}", expected the ARM id of a subnet whose name has no underscore, or nothing.'

@export()
func existingPrivateEndpointSubnetId(value string, needed bool) string => isSubnet(split(value, '/')) || empty(value) && !needed ? '' : 'existingPrivateEndpointSubnetId is "${value}", expected the ARM id of a subnet${needed ? ', because vaultPrivateEndpoint and existingSubnetId are set' : ', or nothing'}.'

@export()
func existingPrivateDnsZoneId(value string) string => empty(value) || isVaultZone(split(value, '/')) ? '' : 'existingPrivateDnsZoneId is "${value}", expected the ARM id of a private DNS zone named privatelink.vaultcore.azure.net, or nothing.'

@export()
func addressPrefix(parameter string, value string, longest int) string => prefixLength(value) <= longest ? '' : '${parameter} is "${value}", expected an IPv4 range of /${longest} or larger, such as 10.80.0.0/${longest}.'

@export()
func vaultName(value string) string => empty(value) || all([
  length(value) >= 3
  length(value) <= 24
  hasOnly(value, concat(letters(), digits(), ['-']))
  startsWithOneOf(value, letters())
  !endsWith(value, '-')
  !contains(value, '--')
]) ? '' : 'vaultName is "${value}", expected 3 to 24 letters, digits and -, with a letter first, no - last and no --, or nothing.'

// 10, 172.16 to 172.31, and 192.168
func isPrivate(octets string[]) bool => isOctets(octets) ? octets[0] == '10' || octets[0] == '172' && int(octets[1]) >= 16 && int(octets[1]) <= 31 || octets[0] == '192' && octets[1] == '168' : false

@export()
func adminIpRange(value string) string => isAddress(value) ? 'adminIpRanges has "${value}", expected a prefix length as well: ${value}/32 for one address.' : prefixLength(value) == 0 ? 'adminIpRanges has "${value}", expected less than the whole Internet.' : isPrivate(split(split(value, '/')[0], '.')) ? 'adminIpRanges has "${value}", expected an address of the Internet: site and vault see no private one, and the vault refuses it.' : isCidr(value) ? '' : 'adminIpRanges has "${value}", expected an IPv4 range such as 203.0.113.7/32.'

@export()
func alertEmail(value string) string => contains(value, '@') ? '' : 'alertEmails has "${value}", expected an e-mail address.'
