/* The two trips of a notification whose ledger is shared: what a worker does before the claim, and
 * after it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "carried.h"
#include "folder.h"
#include "signing.h"
#include "trip/sample_job.h"
#include "trip/stages.h"

static const char script[] = "local hook = require 'hookward'\n"
                             "hook.on('Runs', function(event, job)\n"
                             "  if event.Run and event.Run ~= job.run then return nil, 'run' end\n"
                             "end)\n"
                             "hook.on('Later', { ack = 'first' }, function() end)\n";

static struct folder folder;
static EVP_PKEY *pkey;

struct fake {
    struct hw_ledger ledger;
    bool holds;
    int asked; /* whether it holds */
};

struct rig {
    struct fake fake;
    struct hw_stages stages;
    struct hw_worker worker;
};

static int fake_claim(struct hw_ledger *ledger, struct hw_notification *const *batch, size_t count)
{
    (void)ledger;
    (void)batch;
    (void)count;
    return HW_ELEDGER_UNAVAILABLE;
}

static bool fake_holds(struct hw_ledger *ledger, const struct hw_fence *fence)
{
    struct fake *f = (struct fake *)ledger;
    assert_int_equal(fence->claim, 3);
    f->asked++;
    return f->holds;
}

/* It has no readers. */
static const struct hw_ledger_type type = {
    .name = "fake", .claim = fake_claim, .holds = fake_holds};

static void open_rig(struct rig *r)
{
    char why[512], path[FOLDER_PATH_MAX];
    const char *file = folder_path(&folder, "public.pem", path);
    *r = (struct rig){.fake.holds = true};
    hw_ledger_init(&r->fake.ledger, &type);
    struct hw_release *release = calloc(1, sizeof *release);
    HW_CHECK(release);
    release->refs = 1;
    release->vm = (struct hw_vm_config){
        .memory_max = 64 << 20, .timeout_ms = 60000, .durable = true, .modules = &carried};
    release->keys = hw_keyset_load(&file, 1, 2048, why, sizeof why);
    release->bundle = hw_bundle_load(folder.path, "handlers", HW_STR("return {}"), why, sizeof why);
    HW_CHECK(release->keys && release->bundle);
    hw_shelf_init(&r->stages.shelf, release);
    r->stages.ledger = &r->fake.ledger;
    if (hw_worker_init(&r->worker, &r->stages, 0, why, sizeof why))
        fail_msg("%s", why);
}

static void close_rig(struct rig *r)
{
    hw_worker_fini(&r->worker);
    hw_shelf_fini(&r->stages.shelf);
    hw_pauses_fini(&r->fake.ledger.pauses);
}

static struct hw_job *new_job(const char *body)
{
    struct hw_job *job = hw_job_revive(0, false, hw_now_ns());
    HW_CHECK(job);
    job->n.body = hw_arena_copy(&job->arena, hw_str_of(body));
    job->n.id = job->n.identity.id = HW_STR("job");
    struct hw_hasher *hasher = hw_hasher_new();
    HW_CHECK(hw_hasher_digest(hasher, job->n.body, job->n.identity.digest) == 0);
    hw_hasher_free(hasher);
    return job;
}

static struct hw_job *new_claimed(const char *body)
{
    struct hw_job *job = new_job(body);
    job->n.claim = HW_CLAIM_MINE;
    job->n.fence = (struct hw_fence){7, 3};
    return job;
}

static void assert_outcome(const struct hw_job *job, int code, bool ran)
{
    assert_int_equal(job->n.outcome.code, code);
    assert_int_equal(job->n.outcome.ran, ran);
    assert_true(job->n.outcome.authentic);
}

static void verifies_it_before_it_is_claimed(void **state)
{
    char signature[SIGNING_TEXT_MAX];
    struct rig r;
    (void)state;
    open_rig(&r);
    struct hw_job *job = new_job("{\"Event\":\"Runs\"}");
    job->n.signature = hw_str_of(signing_sign(signature, pkey, job->n.body));
    hw_stages_run(&r.worker, job);
    assert_true(job->to_claim);
    assert_outcome(job, 0, false);
    assert_int_equal(atomic_load(&job->progress), HW_CHECKING);
    hw_job_free(job);
    job = new_job("{\"Event\":\"Other\"}");
    job->n.signature = hw_str_of(signature); /* of another body */
    hw_stages_run(&r.worker, job);
    assert_false(job->to_claim);
    assert_int_equal(job->n.outcome.code, HW_EINVALID_SIGNATURE);
    assert_false(job->n.outcome.authentic);
    hw_job_free(job);
    close_rig(&r);
}

static void runs_it_once_it_is_claimed(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r);
    hw_ledger_set_health(&r.fake.ledger, HW_LEDGER_FAILED); /* it is recorded late, then */
    struct hw_job *job = new_claimed("{\"Event\":\"Runs\",\"Run\":3}");
    job->n.known.runs = 2;
    hw_stages_run(&r.worker, job);
    assert_outcome(job, 0, true);
    assert_false(job->to_claim);
    assert_int_equal(r.fake.asked, 1);
    hw_job_free(job);
    close_rig(&r);
}

static void records_what_it_can_not_decode(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r);
    struct hw_job *job = new_claimed("{");
    hw_stages_run(&r.worker, job);
    assert_outcome(job, HW_EINVALID_JSON, false);
    hw_job_free(job);
    close_rig(&r);
}

static void claims_it_again_when_its_lease_has_run_out(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r);
    r.fake.holds = false;
    struct hw_job *job = new_claimed("{\"Event\":\"Runs\"}");
    hw_stages_run(&r.worker, job);
    assert_outcome(job, 0, false);
    assert_true(job->to_claim);
    assert_int_equal(job->n.claim, HW_CLAIM_MINE); /* its row has to be given back, if need be */
    hw_job_free(job);
    close_rig(&r);
}

/* No delivery of them is there to be claimed again. */
static void puts_off_its_own_when_its_lease_has_run_out(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r);
    r.fake.holds = false;
    for (int i = 0; i < 2; i++) {
        struct hw_job *job = new_claimed("{\"Event\":\"Runs\"}");
        job->n.from_row = i;
        job->n.accepted = job->n.started = !i;
        hw_stages_run(&r.worker, job);
        assert_outcome(job, HW_ELEDGER_UNAVAILABLE, false);
        assert_false(job->to_claim);
        hw_job_free(job);
    }
    close_rig(&r);
}

static void accepts_it_in_the_second_trip_and_runs_it_in_the_third(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r);
    struct hw_job *job = new_claimed("{\"Event\":\"Later\"}");
    hw_stages_run(&r.worker, job);
    assert_true(job->accepting);
    assert_outcome(job, 0, false);
    job->accepting = false;
    job->n.accepted = job->n.started = true;
    job->n.outcome = (struct hw_outcome){0};
    hw_stages_run(&r.worker, job);
    assert_false(job->accepting);
    assert_outcome(job, 0, true);
    hw_job_free(job);
    close_rig(&r);
}

/* What is due and paused was taken: it is given back, and set aside when it is looked for next. */
static void records_what_is_paused(void **state)
{
    struct rig r;
    (void)state;
    open_rig(&r);
    assert_int_equal(hw_pauses_add(&r.fake.ledger.pauses, HW_STR("Runs"), 1), 0);
    for (int i = 0; i < 3; i++) {
        struct hw_job *job = new_claimed("{\"Event\":\"Runs\"}");
        job->n.from_row = i;
        job->due_at = i == 1;
        hw_stages_run(&r.worker, job);
        if (i < 2)
            assert_outcome(job, HW_EPAUSED, false);
        else
            assert_outcome(job, 0, true); /* a replay */
        hw_job_free(job);
    }
    close_rig(&r);
}

static int open_all(void **state)
{
    char path[FOLDER_PATH_MAX];
    (void)state;
    hw_log_set(HW_LOG_OFF, false);
    folder_open(&folder);
    folder_write(&folder, "handlers.lua", script);
    pkey = signing_make_key(2048, 65537);
    signing_write_public(folder_path(&folder, "public.pem", path), pkey);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    EVP_PKEY_free(pkey);
    folder_close(&folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verifies_it_before_it_is_claimed),
        cmocka_unit_test(runs_it_once_it_is_claimed),
        cmocka_unit_test(records_what_it_can_not_decode),
        cmocka_unit_test(claims_it_again_when_its_lease_has_run_out),
        cmocka_unit_test(puts_off_its_own_when_its_lease_has_run_out),
        cmocka_unit_test(accepts_it_in_the_second_trip_and_runs_it_in_the_third),
        cmocka_unit_test(records_what_is_paused),
    };
    return cmocka_run_group_tests_name("stages", tests, open_all, close_all);
}
