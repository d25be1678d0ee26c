"""Signatures of URLs by all schemes that object stores use; every secret has the word SECRET.

Sources: AWS S3 "Authenticating Requests" (versions 2 and 4), Google Cloud Storage "Signed URLs",
Azure "Create a service SAS", OpenStack Swift "TempURL", Alibaba OSS "Include a signature in a URL",
Amazon CloudFront "Signed URLs" (which the Hugging Face hub redirects to).
"""

SECRET = "SECRET"

QUERIES = {
    "s3-v4": "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIASECRET%2F20260101%2Feu%2Fs3%2F"
    "aws4_request&X-Amz-Date=20260101T000000Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host"
    "&X-Amz-Security-Token=SECRET//&X-Amz-Signature=SECRET0f",
    "s3-v2": "AWSAccessKeyId=AKIASECRET&Expires=1&Signature=SECRETvjby%2FK3rCVKFuKKnZk%3D",
    "r2": "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=SECRET/auto&X-Amz-Signature=SECRET",
    "gcs-v4": "X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=me%40SECRET.iam"
    "&X-Goog-Date=1&X-Goog-Expires=9&X-Goog-SignedHeaders=host&X-Goog-Signature=SECRET1f",
    "gcs-v2": "GoogleAccessId=me@SECRET.iam&Expires=1458238630&Signature=SECRET%2Bq==",
    "azure-sas": "sv=2022-11-02&ss=b&srt=o&sp=r&se=2026-01-01T00:00:00Z&sr=b&sig=SECRET/+z=",
    "azure-delegation": "skoid=SECRET-1&sktid=SECRET-2&skt=1&ske=2&sks=b&skv=1&sig=SECRET%3D",
    "planetary-computer": "st=1&se=2&sp=rl&sv=3&sr=c&sig=SECRET&subscription-key=SECRET",
    "hub": "Policy=SECRETeyJ_&Signature=SECRET~-&Key-Pair-Id=KSECRET&Expires=1",
    "hub-token": "token=hf_SECRETabcdefgh",
    "oss-v1": "OSSAccessKeyId=SECRET&Expires=1&Signature=SECRET%3D&security-token=SECRET",
    "oss-v4": "x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-credential=SECRET&x-oss-date=1"
    "&x-oss-expires=1&x-oss-signature=SECRET",
    "cos": "q-sign-algorithm=sha1&q-ak=SECRET&q-sign-time=1;2&q-key-time=1;2&q-signature=SECRET",
    "swift": "temp_url_sig=SECRETda39&temp_url_expires=1&temp_url_prefix=pre",
    "cloudflare": "verify=1-SECRET%3D",
    "key": "key=SECRET&api_key=SECRET&apikey=SECRET&access_token=SECRET&credential=SECRET",
    "unknown": "SECRET",
    "other-words": "q=SECRET&passwd=SECRET",
}
EVERY_QUERY = "&".join(QUERIES.values())
USERS = ("user:SECRET@", "SECRET@", "user:SECRET%40x@")


def signed(url, query=EVERY_QUERY, user=USERS[0]):
    """Return a URL with a user part and a query."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{user}{rest}?{query}#SECRET"
