//! All scenarios, by name.

use crate::world::Place::{self, Associated, Exclusive, Guarded, Narrow, Referring, Shared};
use crate::world::Scenario;
use crate::{
    argo, associations, bad_input, check, dashboard, decisions, deletion, denied, disturbed, enforcement, grants,
    injection, install, kinds, lifecycle, observed, ownership, plugin, preflight, process, proxies, replicas, rights,
    roles, rollouts, schema, selected, told, windows, workloads,
};

/// Needs an image; ignored if there is none.
pub(crate) const IMAGE: &str = "the_image_runs_the_operator";

/// Need proxies from Debian packages; ignored if they are missing.
pub(crate) const OPERATOR_PROXIES: &str = "the_operator_works_through_proxies";
pub(crate) const PLUGIN_PROXIES: &str = "the_plugin_works_through_proxies";

/// Need MutatingAdmissionPolicy; ignored if the harness's webhook injects.
pub(crate) const INJECTED_BY_POLICY: &[&str] = &[
    "the_injection_policy_does_what_the_model_says",
    "the_injection_policy_differs_only_as_documented",
    "a_mark_that_admission_strips_is_told_and_not_repeated",
    // It records a page that names the policy.
    "check_tells_what_is_wrong_before_and_after_the_installation",
];

/// Needs an API server that sends bookmarks on idle watches; ignored for older versions.
pub(crate) const AT_REST: &str = "a_frozen_watch_turns_liveness_bad";

/// Name, place and scenario.
#[rustfmt::skip] // one line for each
#[expect(clippy::too_many_lines, reason = "a table with a line for each scenario")]
pub(crate) fn all() -> Vec<(&'static str, Place, Scenario)> {
    vec![
        // First, because they take the longest.
        ("a_contested_annotation_is_left_alone_for_a_while", Shared, |w, n| Box::pin(ownership::contested(w, n))),
        ("a_removed_annotation_is_not_fought_over_for_ever", Shared, |w, n| Box::pin(ownership::contested_by_removals(w, n))),
        ("where_nothing_injects_the_others_are_left_alone_until_a_pod_is_injected", Exclusive, |w, n| Box::pin(decisions::injection_back(w, n))),
        ("a_converged_binding_causes_no_requests", Exclusive, |w, n| Box::pin(process::quiet(w, n))),
        ("killed_after_annotating_it_rolls_once", Exclusive, |w, n| Box::pin(process::killed_after_annotating(w, n))),
        ("killed_while_rolling_it_rolls_once", Exclusive, |w, n| Box::pin(process::killed_while_rolling(w, n))),
        ("without_injection_it_is_never_ready", Exclusive, |w, n| Box::pin(process::without_injection(w, n))),
        ("asked_to_end_it_ends_cleanly", Exclusive, |w, n| Box::pin(process::ends_when_asked(w, n))),
        ("a_killed_leader_is_replaced_and_nothing_rolls_twice", Narrow, |w, n| Box::pin(replicas::leader_killed(w, n))),
        ("a_leader_that_ends_hands_over", Narrow, |w, n| Box::pin(replicas::leader_terminated(w, n))),
        ("a_frozen_leader_that_wakes_does_no_harm", Narrow, |w, n| Box::pin(replicas::leader_frozen(w, n))),
        ("a_frozen_watch_turns_liveness_bad", Shared, |w, n| Box::pin(observed::frozen_watch(w, n))),
        ("metrics_tell_what_happened", Shared, |w, n| Box::pin(observed::counted(w, n))),
        ("every_panel_of_the_dashboard_shows_something", Shared, |w, n| Box::pin(dashboard::shows(w, n))),
        ("a_dry_run_writes_nothing_or_only_reports", Exclusive, |w, n| Box::pin(observed::dry_run(w, n))),
        ("killed_at_random_it_rolls_once", Narrow, |w, n| Box::pin(disturbed::killed_at_random(w, n))),
        ("the_limit_holds_across_bindings", Narrow, |w, n| Box::pin(disturbed::limited_across_bindings(w, n))),
        ("the_limit_holds_across_restarts_of_the_operator", Narrow, |w, n| Box::pin(disturbed::limited_across_restarts(w, n))),
        ("a_binding_that_is_gone_at_once_frees_its_rollouts", Narrow, |w, n| Box::pin(disturbed::gone_while_rolling(w, n))),
        ("the_limit_holds_across_revocations", Narrow, |w, n| Box::pin(disturbed::revocations_limited(w, n))),
        ("injection_that_comes_back_heals_a_rollout", Narrow, |w, n| Box::pin(disturbed::injection_interrupted(w, n))),
        ("a_deleted_definition_releases_and_may_come_back", Narrow, |w, n| Box::pin(disturbed::definition_deleted(w, n))),
        ("an_argo_rollout_is_rolled_while_its_definition_is_there", Exclusive, |w, n| Box::pin(argo::rollouts(w, n))),
        ("an_argo_rollout_without_template_is_verified", Exclusive, |w, n| Box::pin(argo::template_elsewhere(w, n))),
        ("a_role_by_name_is_of_the_operators_account", Referring, |w, n| Box::pin(roles::by_name(w, n))),
        ("a_role_that_ack_makes_is_waited_for_and_followed", Referring, |w, n| Box::pin(roles::made_by_ack(w, n))),
        ("a_role_of_crossplane_is_waited_for_and_followed", Referring, |w, n| Box::pin(roles::of_crossplane(w, n))),
        ("a_role_of_a_config_map_is_released_by_its_arn", Referring, |w, n| Box::pin(roles::of_a_config_map(w, n))),
        ("a_role_by_name_or_reference_needs_a_grant", Referring, |w, n| Box::pin(roles::guarded(w, n))),
        ("a_role_by_reference_is_enforced", Referring, |w, n| Box::pin(roles::enforced(w, n))),
        ("one_manifest_serves_clusters_of_two_accounts", Referring, |w, n| Box::pin(roles::two_clusters(w, n))),
        ("a_move_to_eks_pod_identity_and_back_restarts_each_time_once", Associated, |w, n| Box::pin(associations::moved(w, n))),
        ("without_an_association_the_annotation_stays", Associated, |w, n| Box::pin(associations::missing(w, n))),
        ("an_association_of_ack_names_the_role", Associated, |w, n| Box::pin(associations::made_by_ack(w, n))),
        ("credentials_of_eks_pod_identity_are_enforced", Associated, |w, n| Box::pin(associations::enforced(w, n))),
        ("annotations_are_not_for_eks_pod_identity", Shared, |w, n| Box::pin(associations::refused_fields(w, n))),
        ("a_role_that_cannot_be_known_is_told", Shared, |w, n| Box::pin(roles::not_known_here(w, n))),
        ("a_binding_has_exactly_one_role", Shared, |w, n| Box::pin(roles::exactly_one(w, n))),
        // Preflights, each with its own control plane and AWS.
        ("preflight_each_answer_of_aws_has_its_reason", Shared, |w, n| Box::pin(preflight::answers::each_has_its_reason(w, n))),
        ("preflight_another_role_that_is_refused_leaves_the_first_in_peace", Shared, |w, n| Box::pin(preflight::answers::another_role_is_refused(w, n))),
        ("preflight_that_only_reports_goes_on_and_says_it", Shared, |w, n| Box::pin(preflight::answers::reported(w, n))),
        ("preflight_killed_after_an_answer_it_repeats_nothing", Shared, |w, n| Box::pin(preflight::process::killed(w, n))),
        ("preflight_drift_is_restored_while_aws_is_down_and_then_it_is_quiet", Shared, |w, n| Box::pin(preflight::process::drift_and_silence(w, n))),
        ("preflight_a_role_in_force_that_aws_refuses_later_is_told_and_stays", Shared, |w, n| Box::pin(preflight::process::rechecked(w, n))),
        ("preflight_the_guard_lets_through_what_it_says", Shared, |w, n| Box::pin(preflight::guard::transcript(w, n))),
        ("preflight_without_label_or_right_a_binding_says_so", Shared, |w, n| Box::pin(preflight::guard::each_part_is_needed(w, n))),
        ("check_tells_what_is_wrong_before_and_after_the_installation", Shared, |w, n| Box::pin(check::before_and_after(w, n))),
        (OPERATOR_PROXIES, Shared, |w, n| Box::pin(proxies::of_the_operator(w, n))),
        (PLUGIN_PROXIES, Shared, |w, n| Box::pin(proxies::of_the_plugin(w, n))),
        // Installation, and rights.
        ("no_right_is_spare", Shared, |w, n| Box::pin(rights::none_is_spare(w, n))),
        ("no_right_is_spare_in_a_namespace", Shared, |w, n| Box::pin(rights::none_is_spare_in_a_namespace(w, n))),
        ("what_is_denied_to_the_operator", Shared, |w, n| Box::pin(denied::to_the_operator(w, n))),
        ("a_stolen_token_changes_no_image", Shared, |w, n| Box::pin(denied::by_the_guard(w, n))),
        ("installed_with_kubectl_and_removed", Shared, |w, n| Box::pin(install::kubectl::whole_life(w, n))),
        ("installed_with_helm_and_removed", Shared, |w, n| Box::pin(install::chart::whole_life(w, n))),
        ("installed_for_two_namespaces_of_three", Shared, |w, n| Box::pin(install::namespaced::two_of_three(w, n))),
        (IMAGE, Shared, |w, n| Box::pin(install::image::works(w, n))),
        ("the_chart_renders_what_kustomize_does", Shared, |w, n| Box::pin(install::rendering::same_objects(w, n))),
        ("the_chart_renders_policies_for_another_annotation_domain", Shared, |w, n| Box::pin(install::rendering::another_annotation_domain(w, n))),
        ("two_releases_of_the_chart_share_no_object", Shared, |w, n| Box::pin(install::rendering::no_shared_names(w, n))),
        ("objects_of_the_charts_have_the_standard_labels", Shared, |w, n| Box::pin(install::rendering::standard_labels(w, n))),
        ("upgraded_from_an_earlier_chart_nothing_is_restarted", Shared, |w, n| Box::pin(install::upgrade::from_earlier_chart(w, n))),
        ("the_definition_moves_to_a_chart_of_its_own", Shared, |w, n| Box::pin(install::upgrade::definition_handed_over(w, n))),
        ("the_chart_passes_its_linter", Shared, |w, n| Box::pin(install::rendering::without_complaints(w, n))),
        ("every_value_of_the_chart_is_honoured", Shared, |w, n| Box::pin(install::values::each_is_honoured(w, n))),
        ("wrong_values_of_the_chart_are_refused", Shared, |w, n| Box::pin(install::values::wrong_ones_are_refused(w, n))),
        ("a_canary_that_fails_halts_nineteen_others", Shared, |w, n| Box::pin(rollouts::halted(w, n))),
        ("a_restart_that_is_refused_steps_back_and_the_others_go_on", Shared, |w, n| Box::pin(decisions::refused_steps_back(w, n))),
        ("a_mark_that_admission_strips_is_told_and_not_repeated", Shared, |w, n| Box::pin(decisions::rewritten_mark(w, n))),
        ("a_paused_canary_keeps_its_place", Shared, |w, n| Box::pin(decisions::paused_canary(w, n))),
        ("a_workload_that_was_broken_before_halts_nobody", Shared, |w, n| Box::pin(decisions::broken_before(w, n))),
        ("a_users_bad_image_later_is_no_failed_restart", Shared, |w, n| Box::pin(decisions::bad_image_later(w, n))),
        ("a_role_that_fails_in_its_only_workload_is_rolled_back", Shared, |w, n| Box::pin(decisions::bad_role(w, n))),
        ("a_co_owner_that_changes_the_role_first_is_reported", Shared, |w, n| Box::pin(decisions::co_owner_first(w, n))),
        ("a_workload_with_a_mount_at_the_tokens_path_is_not_broken", Shared, |w, n| Box::pin(decisions::mount_path_taken(w, n))),
        ("pods_that_cannot_be_created_are_told", Shared, |w, n| Box::pin(decisions::pods_missing(w, n))),
        ("a_paused_deployment_without_pods_is_told", Shared, |w, n| Box::pin(decisions::paused_from_the_start(w, n))),
        ("a_selector_that_selects_nothing_is_told", Shared, |w, n| Box::pin(decisions::nothing_selected(w, n))),
        ("a_canary_that_fails_is_rolled_back", Shared, |w, n| Box::pin(rollouts::canary_rolled_back(w, n))),
        ("all_that_were_rolled_are_rolled_back", Shared, |w, n| Box::pin(rollouts::all_rolled_back(w, n))),
        ("with_continue_the_others_go_on", Shared, |w, n| Box::pin(rollouts::continued(w, n))),
        ("the_canary_goes_first_then_two_at_a_time", Shared, |w, n| Box::pin(rollouts::canary_first(w, n))),
        ("manual_waits_for_the_release_of_this_generation", Shared, |w, n| Box::pin(rollouts::manual(w, n))),
        ("never_only_reports", Shared, |w, n| Box::pin(rollouts::never(w, n))),
        // Namespaces by label.
        ("a_namespace_is_looked_after_while_it_has_the_label", Shared, |w, n| Box::pin(selected::by_label(w, n))),
        ("a_namespace_moves_from_one_operator_to_another", Shared, |w, n| Box::pin(selected::handed_over(w, n))),
        ("a_namespace_selector_that_does_not_fit_is_refused", Shared, |w, n| Box::pin(selected::refused(w, n))),
        ("restarts_wait_for_their_window_and_keep_a_distance", Shared, |w, n| Box::pin(windows::waited_for(w, n))),
        ("windows_that_are_removed_let_restarts_begin", Shared, |w, n| Box::pin(windows::removed(w, n))),
        ("a_time_zone_that_does_not_exist_is_told", Shared, |w, n| Box::pin(windows::unknown_zone(w, n))),
        ("a_roll_that_is_undone_each_time_is_given_up", Shared, |w, n| Box::pin(rollouts::reverted(w, n))),
        // The kubectl plugin.
        ("what_the_plugin_writes_is_acted_upon", Shared, |w, n| Box::pin(plugin::writes_are_acted_upon(w, n))),
        ("the_plugin_asks_for_grants_as_the_operator_does", Guarded, |w, n| Box::pin(plugin::asks_for_grants(w, n))),
        // Who owns the service account.
        ("the_younger_binding_takes_over_without_a_gap", Shared, |w, n| Box::pin(ownership::handed_over(w, n))),
        ("another_owner_is_named_and_overridden_if_asked", Shared, |w, n| Box::pin(ownership::conflict(w, n))),
        ("an_annotation_that_was_written_once_is_taken_over", Shared, |w, n| Box::pin(ownership::taken_over(w, n))),
        ("another_owner_who_gives_up_is_succeeded", Shared, |w, n| Box::pin(ownership::conflict_given_up(w, n))),
        ("an_annotation_changed_by_another_is_restored", Shared, |w, n| Box::pin(ownership::drift(w, n))),
        ("a_suspended_binding_writes_nothing", Shared, |w, n| Box::pin(ownership::suspended(w, n))),
        ("suspended_while_rolling_it_starts_no_more", Shared, |w, n| Box::pin(ownership::suspended_while_rolling(w, n))),
        ("a_service_account_created_anew_is_annotated_anew", Shared, |w, n| Box::pin(ownership::account_created_anew(w, n))),
        // What a binding reports when the operator cannot do its work.
        ("a_write_that_fails_is_told_and_tried_again", Shared, |w, n| Box::pin(told::failed(w, n))),
        ("a_write_that_a_policy_refuses_is_told_in_its_words", Shared, |w, n| Box::pin(told::refused_by_a_policy(w, n))),
        ("restarts_that_are_refused_hold_no_others_up", Narrow, |w, n| Box::pin(told::refused_restarts(w, n))),
        ("a_namespace_that_is_not_seen_yet_grants_nothing", Exclusive, |w, n| Box::pin(told::namespace_not_seen_yet(w, n))),
        ("a_spec_from_before_the_validation_is_not_acted_on", Exclusive, |w, n| Box::pin(told::invalid_spec(w, n))),
        // Deletion.
        ("released_and_told_in_events", Shared, |w, n| Box::pin(deletion::released(w, n))),
        ("released_to_another_owner_the_value_stays", Shared, |w, n| Box::pin(deletion::released_to_another(w, n))),
        ("revoked_no_pod_keeps_the_role", Shared, |w, n| Box::pin(deletion::revoked(w, n))),
        ("retained_everything_stays", Shared, |w, n| Box::pin(deletion::retained(w, n))),
        ("deleted_while_suspended_it_leaves_everything", Shared, |w, n| Box::pin(deletion::suspended(w, n))),
        ("what_cannot_be_revoked_is_named", Shared, |w, n| Box::pin(deletion::not_revoked(w, n))),
        ("where_nothing_is_left_a_binding_goes_at_once", Shared, |w, n| Box::pin(deletion::nothing_left(w, n))),
        ("deleted_while_rolling_it_goes", Shared, |w, n| Box::pin(deletion::while_rolling(w, n))),
        ("a_deleted_namespace_goes_with_its_bindings", Shared, |w, n| Box::pin(deletion::namespace_deleted(w, n))),
        // Workloads.
        ("what_the_selector_leaves_out_is_not_rolled", Shared, |w, n| Box::pin(workloads::selected(w, n))),
        ("a_paused_deployment_waits_for_a_person", Shared, |w, n| Box::pin(workloads::paused(w, n))),
        ("scaled_to_zero_it_is_right_when_scaled_up", Shared, |w, n| Box::pin(workloads::scaled_to_zero(w, n))),
        ("min_ready_seconds_are_waited_for", Shared, |w, n| Box::pin(workloads::min_ready_seconds(w, n))),
        ("recreated_pods_are_waited_for", Shared, |w, n| Box::pin(workloads::recreated(w, n))),
        ("a_rollout_of_its_own_that_failed_is_superseded", Shared, |w, n| Box::pin(workloads::deadline_exceeded(w, n))),
        ("a_stateful_set_is_rolled", Shared, |w, n| Box::pin(kinds::stateful_set(w, n))),
        ("a_stateful_set_is_rolled_down_to_its_partition", Shared, |w, n| Box::pin(kinds::partitioned(w, n))),
        ("a_stateful_set_on_delete_waits_for_a_person", Shared, |w, n| Box::pin(kinds::stateful_set_on_delete(w, n))),
        ("a_stateful_set_of_one_pod_is_rolled_back", Shared, |w, n| Box::pin(kinds::stateful_set_rolled_back(w, n))),
        ("a_stateful_set_that_waits_for_a_pod_needs_a_person", Shared, |w, n| Box::pin(kinds::stateful_set_that_waits(w, n))),
        ("a_daemon_set_is_rolled", Shared, |w, n| Box::pin(kinds::daemon_set(w, n))),
        ("a_daemon_set_on_delete_waits_for_a_person", Shared, |w, n| Box::pin(kinds::daemon_set_on_delete(w, n))),
        ("a_bare_pod_is_never_restarted", Shared, |w, n| Box::pin(kinds::bare_pod(w, n))),
        ("a_replica_set_is_never_restarted", Shared, |w, n| Box::pin(kinds::replica_set(w, n))),
        ("a_job_is_never_restarted", Shared, |w, n| Box::pin(kinds::job(w, n))),
        ("a_cron_jobs_job_is_never_restarted", Shared, |w, n| Box::pin(kinds::cron_job(w, n))),
        // A binding's life.
        ("bound_before_the_deployment_exists", Shared, |w, n| Box::pin(lifecycle::bound_first(w, n))),
        ("running_pods_are_rolled_exactly_once", Shared, |w, n| Box::pin(lifecycle::running_pods(w, n))),
        ("service_account_created_after_the_binding", Shared, |w, n| Box::pin(lifecycle::account_later(w, n))),
        ("role_changed_and_changed_back", Shared, |w, n| Box::pin(lifecycle::role_changed(w, n))),
        ("a_correct_cluster_is_adopted_untouched", Shared, |w, n| Box::pin(lifecycle::adopted(w, n))),
        ("an_annotation_removed_by_hand_is_restored", Shared, |w, n| Box::pin(lifecycle::removed_by_hand(w, n))),
        ("a_workload_in_its_own_rollout_is_not_rolled", Shared, |w, n| Box::pin(lifecycle::in_its_own_rollout(w, n))),
        ("a_deleted_binding_releases_the_annotation", Shared, |w, n| Box::pin(lifecycle::deleted(w, n))),
        // What users see of the custom resource.
        ("bad_input_is_refused_with_advice", Shared, |w, n| Box::pin(bad_input::refused(w, n))),
        ("good_input_is_accepted", Shared, |w, n| Box::pin(bad_input::accepted(w, n))),
        ("service_account_name_is_immutable", Shared, |w, n| Box::pin(bad_input::immutable(w, n))),
        ("a_new_binding_is_not_taken_for_observed", Shared, |w, n| Box::pin(schema::new_binding(w, n))),
        ("kubectl_explains_every_field", Shared, |w, n| Box::pin(schema::explained(w, n))),
        ("kubectl_get_shows_the_columns", Shared, |w, n| Box::pin(schema::columns(w, n))),
        ("bindings_are_listed_by_field", Shared, |w, n| Box::pin(schema::selected_by_field(w, n))),
        // The policy that injects.
        ("the_injection_policy_does_what_the_model_says", Shared, |w, n| Box::pin(injection::as_the_model_says(w, n))),
        ("the_injection_policy_differs_only_as_documented", Shared, |w, n| Box::pin(injection::known_differences(w, n))),
        // The policy that enforces.
        ("enforcement_refuses_pods_without_the_role", Shared, |w, n| Box::pin(enforcement::what_is_refused(w, n))),
        ("enforcement_honours_what_verification_honours", Shared, |w, n| Box::pin(enforcement::what_is_let_in(w, n))),
        ("enforcement_agrees_with_the_verification", Shared, |w, n| Box::pin(enforcement::compare::as_verification_says(w, n))),
        ("enforcement_never_concerns_kube_system", Shared, |w, n| Box::pin(enforcement::never_in_kube_system(w, n))),
        ("under_enforcement_a_change_of_role_keeps_no_pod_away", Shared, |w, n| Box::pin(enforcement::role_changed(w, n))),
        ("under_enforcement_a_rollback_keeps_no_pod_away", Shared, |w, n| Box::pin(enforcement::rolled_back(w, n))),
        ("under_enforcement_pods_of_a_suspended_binding_keep_coming", Shared, |w, n| Box::pin(enforcement::suspended(w, n))),
        ("under_enforcement_pods_of_a_stalled_binding_keep_coming", Guarded, |w, n| Box::pin(enforcement::stalled(w, n))),
        ("under_enforcement_the_younger_of_two_bindings_has_no_say", Shared, |w, n| Box::pin(enforcement::two_bindings(w, n))),
        ("under_enforcement_missed_injections_heal_by_themselves", Exclusive, |w, n| Box::pin(enforcement::missed_injections(w, n))),
        ("enforcement_without_the_definition_refuses_but_can_be_left", Shared, |w, n| Box::pin(enforcement::failing::without_definition(w, n))),
        ("under_enforcement_a_namespace_can_be_deleted", Shared, |w, n| Box::pin(enforcement::failing::namespace_deleted(w, n))),
        ("the_types_in_the_policies_are_right", Shared, |w, n| Box::pin(enforcement::types_are_right(w, n))),
        // Grants.
        ("a_role_that_is_not_granted_is_refused_by_policy", Shared, |w, n| Box::pin(grants::refused_by_policy(w, n))),
        ("grants_are_changed_by_those_who_may_grant", Shared, |w, n| Box::pin(grants::who_may_grant(w, n))),
        ("grants_are_read_alike_by_policy_and_operator", Shared, |w, n| Box::pin(grants::read_alike(w, n))),
        ("grants_required_a_role_waits_for_its_grant", Guarded, |w, n| Box::pin(grants::required(w, n))),
        ("a_grant_that_is_withdrawn_freezes_what_is_in_force", Guarded, |w, n| Box::pin(grants::withdrawn(w, n))),
    ]
}
