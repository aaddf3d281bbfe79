"""The GraphQL documents that `api` sends. Each returns the field `answer`, whose type tells whether it succeeded."""

_ERROR = """
    ... on Error { message }
    ... on PythonError { className causes { message className } }
"""
_LAUNCH_ERROR = """
    ... on RunConfigValidationInvalid { errors { message } }
    ... on InvalidStepError { invalidStepKey }
"""

LAUNCH_BACKFILL = f"""
mutation ($params: LaunchBackfillParams!) {{
    answer: launchPartitionBackfill(backfillParams: $params) {{
        __typename ... on LaunchBackfillSuccess {{ backfillId }} {_ERROR} {_LAUNCH_ERROR}
        ... on PartitionKeysNotFoundError {{ partitionKeys }}
    }}
}}
"""
LAUNCH_RUN = f"""
mutation ($params: ExecutionParams!) {{
    answer: launchRun(executionParams: $params) {{
        __typename ... on LaunchRunSuccess {{ run {{ runId }} }} {_ERROR} {_LAUNCH_ERROR}
    }}
}}
"""
BACKFILL = f"""
query ($id: String!) {{
    answer: partitionBackfillOrError(backfillId: $id) {{
        __typename {_ERROR}
        ... on PartitionBackfill {{
            status error {{ message }} runs {{ runId creationTime status parentRunId }}
            assetBackfillData {{ assetBackfillStatuses {{
                ... on AssetPartitionsStatusCounts {{
                    numPartitionsTargeted numPartitionsInProgress numPartitionsMaterialized numPartitionsFailed
                }}
            }} }}
        }}
    }}
}}
"""
RUN = f"""
query ($id: ID!) {{
    answer: runOrError(runId: $id) {{ __typename {_ERROR} ... on Run {{ status jobName }} }}
}}
"""
RUN_FAILURES = f"""
query ($id: ID!, $cursor: String) {{
    answer: logsForRun(runId: $id, afterCursor: $cursor) {{
        __typename {_ERROR}
        ... on EventConnection {{ cursor hasMore events {{
            __typename
            ... on ExecutionStepFailureEvent {{ stepKey error {{ message causes {{ message }} }} }}
            ... on AssetCheckEvaluationEvent {{
                stepKey evaluation {{ assetKey {{ path }} checkName success description }}
            }}
            ... on RunFailureEvent {{ message error {{ message causes {{ message }} }} }}
        }} }}
    }}
}}
"""
MATERIALIZATIONS = f"""
query ($id: ID!) {{
    answer: runOrError(runId: $id) {{
        __typename {_ERROR}
        ... on Run {{ assetMaterializations {{
            assetKey {{ path }} partition metadataEntries {{
                label
                ... on IntMetadataEntry {{ intRepr }}
                ... on FloatMetadataEntry {{ floatValue }}
                ... on TextMetadataEntry {{ text }}
                ... on BoolMetadataEntry {{ boolValue }}
                ... on UrlMetadataEntry {{ url }}
                ... on JsonMetadataEntry {{ jsonString }}
            }}
        }} }}
    }}
}}
"""
PARTITION_COUNT = """
query ($key: AssetKeyInput!) {
    answer: assetNodeOrError(assetKey: $key) {
        __typename
        ... on AssetNode { partitionStats { numMaterialized } assetMaterializations(limit: 1) { runId } }
        ... on AssetNotFoundError { message }
    }
}
"""
FAILED_RUNS = f"""
query ($job: String!, $since: Float!) {{
    answer: runsOrError(
        filter: {{pipelineName: $job, statuses: [FAILURE, CANCELED], createdAfter: $since}}, limit: 1
    ) {{
        __typename {_ERROR} ... on Runs {{ results {{ runId }} }}
    }}
}}
"""
PARTITION_RANGES = """
query ($key: AssetKeyInput!) {
    answer: assetNodeOrError(assetKey: $key) {
        __typename
        ... on AssetNode { assetPartitionStatuses { __typename
            ... on TimePartitionStatuses { ranges { status startKey endKey } }
        } }
        ... on AssetNotFoundError { message }
    }
}
"""
LOCATIONS = f"""
query {{
    answer: workspaceOrError {{
        __typename {_ERROR}
        ... on Workspace {{ locationEntries {{
            name loadStatus locationOrLoadError {{ __typename ... on PythonError {{ message }} }}
        }} }}
    }}
}}
"""
RELOAD_LOCATION = f"""
mutation ($name: String!) {{
    answer: reloadRepositoryLocation(repositoryLocationName: $name) {{ __typename {_ERROR} }}
}}
"""
DAEMONS = """
query {
    answer: instance { __typename daemonHealth { allDaemonStatuses { daemonType required healthy } } }
}
"""
