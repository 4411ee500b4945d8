* golden: full netlist
* proven: there is one operating point, and the circuit comes to rest there from any start
* units: V, A, ohm, F, H; temperature 27 degrees Celsius
* rail bias: 1 V
* rail clamp: 0.3 V
* input x_0: 2 V * feature 0
* input x_1: 2 V * feature 1
* output 0: v(out_0)
* output 1: v(out_1)
.subckt golden bias clamp x_0 x_1 out_0 out_1
R_w1_0_0 x_0 h_0 99999.99999999999
R_w1_0_1 x_0 h_1 49999.99999999999
R_w1_1_0 x_1 h_0 33333.333333333336
R_w1_1_1 x_1 h_1 24999.999999999996
R_b1_0 bias h_0 1000000.0
R_b1_1 bias h_1 1000000.0
.model m_up d is=1e-09 n=1.0
D_up_0 h_0 clamp m_up
D_up_1 h_1 clamp m_up
B_down_0 0 h_0 i=0.01*(50.0*(uramp(v(0,h_0))-uramp(v(0,h_0)-0.01))*(uramp(v(0,h_0))-uramp(v(0,h_0)-0.01))+uramp(v(0,h_0)-0.01))
B_down_1 0 h_1 i=0.01*(50.0*(uramp(v(0,h_1))-uramp(v(0,h_1)-0.01))*(uramp(v(0,h_1))-uramp(v(0,h_1)-0.01))+uramp(v(0,h_1)-0.01))
E_a1_0 eq_a1_0 0 h_0 0 4.0
V_eq_a1_0 y_0 eq_a1_0 0
F_a1_0 0 h_0 V_eq_a1_0 0.25
E_a1_1 eq_a1_1 0 h_1 0 4.0
V_eq_a1_1 y_1 eq_a1_1 0
F_a1_1 0 h_1 V_eq_a1_1 0.25
R_w2_0_0 y_0 out_0 99999.99999999999
R_w2_0_1 y_0 out_1 49999.99999999999
R_w2_1_0 y_1 out_0 49999.99999999999
R_w2_1_1 y_1 out_1 99999.99999999999
I_offset_0 0 out_0 1e-07
I_offset_1 0 out_1 -1e-07
G_g1_0 out_0 0 out_1 0 1e-06
G_g2_0 out_1 0 out_0 0 1e-06
.ends golden
X_golden bias clamp x_0 x_1 out_0 out_1 golden
V_bias bias 0 1.0
V_clamp clamp 0 0.3
B_eq_v_x_0 x_0 0 v=pwl(v(eq_s),0,2.0,1,-1.0)
B_eq_v_x_1 x_1 0 v=pwl(v(eq_s),0,0.0,1,0.5)
V_eq_s eq_s 0 0
V_eq_p eq_p 0 0
.options reltol=1e-11 vntol=1e-13 abstol=1e-16 gmin=1e-18 itl1=500 itl2=200 noacct
.temp 27
.width out=96
.dc v_eq_s 0 1 1
.print dc v(eq_s) v(eq_p) v(out_0) v(out_1)
.end
