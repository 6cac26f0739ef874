"""Makes the buckets that are not there: `buckets.py NAME…`. Run before MLflow starts, in its image.

The store may still be starting, so it is asked for two minutes; AWS_ENDPOINT_URL and the keys are the environment's.
"""

import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

TRIES, PAUSE_SECONDS = 60, 2


def ensure(client, bucket):
    """Raises ClientError or BotoCoreError where the bucket is neither there nor can be made."""
    try:
        client.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response["Error"]["Code"] != "404":
            raise
        region = client.meta.region_name
        place = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        client.create_bucket(Bucket=bucket, **place)


def main(buckets):
    """Returns the exit status."""
    client = boto3.client("s3", config=Config(connect_timeout=5, read_timeout=10, retries={"total_max_attempts": 1}))
    for bucket in buckets:
        for left in reversed(range(TRIES)):
            try:
                ensure(client, bucket)
                break
            except (BotoCoreError, ClientError) as error:
                if not left:
                    sys.stderr.write(f"bucket {bucket} at {client.meta.endpoint_url}: {error}\n")
                    return 1
                time.sleep(PAUSE_SECONDS)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
