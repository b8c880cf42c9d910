metadata description = 'Settings of the proxy that are seldom needed.'

@export()
@description('Further settings of the proxy, as its README explains them.')
@sealed()
type proxySettings = {
  @description('User of HTTP Basic.')
  BACKEND_USERNAME: string?

  @description('Name to verify in the certificate of the backend.')
  BACKEND_SERVER_NAME: string?

  @description('Who answers for groups: forward or stub.')
  GROUPS: string?

  @description('Attributes that are removed from request bodies.')
  DROP_ATTRIBUTES: string?

  @description('true permits an http:// backend.')
  BACKEND_ALLOW_HTTP: string?

  @description('Deadline of a call, such as 50s.')
  BACKEND_TIMEOUT: string?

  @description('How long a secret is used before it is read again, such as 5m.')
  SECRET_REFRESH: string?

  @description('How long a secret is used while it cannot be read, such as 12h.')
  SECRET_STALE: string?

  @description('Custom attributes that hold booleans.')
  BOOLEAN_ATTRIBUTES: string?

  @description('Custom attributes that hold integers.')
  INTEGER_ATTRIBUTES: string?

  @description('Custom attributes that hold several simple values.')
  MULTIVALUED_ATTRIBUTES: string?

  @description('URIs of extension schemas of an unusual form.')
  EXTENSION_SCHEMAS: string?

  @description('Largest request body, such as 1MiB.')
  MAX_BODY: string?

  @description('Largest request header, such as 16KiB.')
  MAX_HEADER: string?

  @description('How many calls an instance takes at a time; others get 503.')
  MAX_CONCURRENT: string?

  @description('true shows addresses, names and certificates to whoever asks for the check with the token of Entra.')
  CHECK_DETAILS: string?

  @description('Least level that is logged: debug, info, warn or error.')
  LOG_LEVEL: string?
}
